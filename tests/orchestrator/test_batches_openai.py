"""The official client works with files and batches as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from jobtable import ids, keys
from jobtable.records import to_item
from openai import AsyncOpenAI, OpenAI
from openai.types import Batch, FileObject
from orchestrator.files.errors import MAX_UPLOAD_BYTES
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import MODEL
from tests.orchestrator.serving import serve

OWNER = "local"
REQUEST = {
    "custom_id": "1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": MODEL, "messages": [{"role": "user", "content": "What are copies?"}]},
}
CONTENT = (json.dumps(REQUEST) + "\n").encode()


@pytest.fixture
def url(harness: Harness) -> Iterator[str]:
    with serve(harness.app) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0) as one:
        yield one


def upload(client: OpenAI) -> FileObject:
    return client.files.create(file=("lines.jsonl", CONTENT), purpose="batch")


def create(client: OpenAI, file_id: str, **metadata: str) -> Batch:
    return client.batches.create(
        input_file_id=file_id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata=metadata or None,
    )


def test_a_file_from_a_path(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "Fragen für Ada.jsonl"
    path.write_bytes(CONTENT)
    made = client.files.create(file=path, purpose="batch")
    assert (made.object, made.purpose, made.bytes) == ("file", "batch", len(CONTENT))
    assert made.filename == "Fragen für Ada.jsonl"
    assert client.files.content(made.id).read() == CONTENT


def test_a_file_from_bytes(client: OpenAI) -> None:
    made = client.files.create(file=CONTENT, purpose="batch")
    assert made.filename == "upload"
    assert client.files.content(made.id).text == CONTENT.decode()
    assert client.files.retrieve(made.id) == made
    assert client.files.wait_for_processing(made.id, max_wait_seconds=1).status == "processed"


def test_a_file_from_an_open_file(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(CONTENT * 1_000)
    with path.open("rb") as content:
        made = client.files.create(file=content, purpose="batch")
    with client.files.with_streaming_response.content(made.id) as response:
        assert b"".join(response.iter_bytes()) == CONTENT * 1_000


def test_long_content_is_fetched_without_the_key(
    client: OpenAI, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket refuses what carries a key beside the signature in its address."""
    seen: list[str | None] = []

    async def bucket(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(Headers(scope=scope).get("authorization"))
        await Response(CONTENT)(scope, receive, send)

    monkeypatch.setattr("orchestrator.files.files.MAX_STREAMED_BYTES", 1)
    with serve(bucket) as address:
        monkeypatch.setattr(harness.jobs.objects, "presigned_get", lambda key, seconds: f"{address}/{key}")
        assert client.files.content(upload(client).id).read() == CONTENT
    assert seen == [None]


def test_the_list_of_files(client: OpenAI) -> None:
    made = sorted(upload(client).id for _ in range(5))
    assert [one.id for one in client.files.list(limit=2)] == made[::-1]
    assert [one.id for one in client.files.list(limit=2, order="asc")] == made
    assert [one.id for one in client.files.list()] == made[::-1]
    assert list(client.files.list(purpose="batch_output")) == []


def test_a_deleted_file(client: OpenAI) -> None:
    made = upload(client)
    assert client.files.delete(made.id).deleted is True
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No file found"):
            call(made.id)


def test_a_file_that_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Line 1: not a JSON object") as caught:
        client.files.create(file=b"question,answer\n", purpose="batch")
    assert caught.value.code == "invalid_file"
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=CONTENT, purpose="fine-tune")
    assert caught.value.param == "purpose"
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(
            file=CONTENT, purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
        )
    assert caught.value.param == "expires_after"


def test_a_file_that_is_too_large_for_a_request(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match=r"'upload\.url'") as caught:
        client.files.create(file=CONTENT.ljust(MAX_UPLOAD_BYTES + 1), purpose="batch")
    assert (caught.value.status_code, caught.value.code) == (413, "file_too_large")


def test_an_upload_to_an_address_of_its_own(client: OpenAI, harness: Harness) -> None:
    body = {"purpose": "batch", "filename": "large.jsonl", "bytes": len(CONTENT)}
    made = client.post("/files", body=body, cast_to=FileObject)
    upload = (made.model_extra or {})["upload"]
    assert upload["url"].startswith(f"https://exchange.test/{keys.file(OWNER, made.id)}?")
    harness.jobs.objects.contents[keys.file(OWNER, made.id)] = CONTENT
    assert client.files.wait_for_processing(made.id, max_wait_seconds=1).status == "processed"
    assert create(client, made.id).status == "validating"


def test_a_batch(client: OpenAI) -> None:
    file = upload(client)
    made = create(client, file.id, team="writing")
    assert (made.object, made.status, made.model) == ("batch", "validating", MODEL)
    assert (made.input_file_id, made.endpoint) == (file.id, "/v1/chat/completions")
    assert made.metadata == {"team": "writing"}
    assert made.request_counts is not None
    assert made.request_counts.total == 0
    assert client.batches.retrieve(made.id) == made


def test_a_batch_that_ended(client: OpenAI, harness: Harness) -> None:
    made = create(client, upload(client).id)
    output = ids.new_id(ids.FILE, 1)
    about = {
        "status": "completed",
        "completed_at": 5,
        "output_file_id": output,
        "request_counts": {"total": 1, "completed": 1, "failed": 0},
    }
    harness.jobs.table.items[OWNER, made.id] |= to_item(about)
    file = {
        "owner": OWNER,
        "id": output,
        "status": "processed",
        "filename": f"{made.id}_output.jsonl",
        "purpose": "batch_output",
        "bytes": 3,
        "created_at": 5,
        "delete_at": 6,
    }
    harness.jobs.table.items[OWNER, output] = to_item(file)
    harness.jobs.objects.contents[keys.file(OWNER, output)] = b"{}\n"
    ended = client.batches.retrieve(made.id)
    assert ended.output_file_id is not None
    assert client.files.content(ended.output_file_id).text == "{}\n"
    assert [one.id for one in client.files.list(purpose="batch_output")] == [output]
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
        client.batches.cancel(made.id)


def test_the_list_of_batches(client: OpenAI) -> None:
    file = upload(client)
    made = sorted((create(client, file.id).id for _ in range(5)), reverse=True)
    assert [one.id for one in client.batches.list(limit=2)] == made
    assert [one.id for one in client.batches.list(after=made[2])] == made[3:]


def test_a_cancelled_batch(client: OpenAI) -> None:
    made = create(client, upload(client).id)
    cancelled = client.batches.cancel(made.id)
    assert (cancelled.id, cancelled.status) == (made.id, "cancelling")
    assert cancelled.cancelling_at is not None
    assert client.batches.retrieve(made.id) == cancelled


def test_a_batch_that_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        create(client, "file-abc")
    assert missing.value.param == "input_file_id"
    with pytest.raises(openai.BadRequestError) as caught:
        client.batches.create(input_file_id="file-abc", endpoint="/v1/embeddings", completion_window="24h")
    assert caught.value.param == "endpoint"
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_abc")


def test_a_key_creates_one_batch(client: OpenAI) -> None:
    file = upload(client)
    made = {
        client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            extra_headers={"Idempotency-Key": "night-42"},
        ).id
        for _ in range(3)
    }
    assert len(made) == 1


@pytest.mark.anyio
async def test_the_asynchronous_client(url: str) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0) as client:
        file = await client.files.create(file=("lines.jsonl", CONTENT), purpose="batch")
        assert (await client.files.content(file.id)).content == CONTENT
        made = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert [one.id async for one in client.batches.list()] == [made.id]
        assert (await client.batches.cancel(made.id)).status == "cancelling"
