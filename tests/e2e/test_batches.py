"""Batches: a file of requests through the state machine and a transform job, and two files back."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from twin.cli import uploads
from twin.cli.batch import ask_in_batch

if TYPE_CHECKING:
    from openai.types import Batch

    from tests.e2e.conftest import DeployedTwin

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "requests" / "batch.jsonl"
RUNNING = {"validating", "in_progress", "finalizing", "cancelling"}
CRANFIELD = Path(__file__).resolve().parents[1] / "data" / "cranfield-retrieval.json"


def request(twin: DeployedTwin, custom_id: str, question: str) -> dict[str, Any]:
    body = {"model": twin.model, "messages": [{"role": "user", "content": question}], "max_tokens": 40}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines: list[Any]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def begin(twin: DeployedTwin, content: bytes) -> Batch:
    client = twin.client()
    file = client.files.create(file=("requests.jsonl", io.BytesIO(content)), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def ended(twin: DeployedTwin, batch: str, *, seconds: float = 120) -> Batch:
    """The batch once it has a final status."""
    client, deadline = twin.client(), time.monotonic() + seconds
    while (found := client.batches.retrieve(batch)).status in RUNNING:
        assert time.monotonic() < deadline, f"{batch} is still {found.status}"
        time.sleep(0.2)
    return found


def until(twin: DeployedTwin, batch: str, status: str) -> None:
    client, deadline = twin.client(), time.monotonic() + 60
    while client.batches.retrieve(batch).status != status:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def lines_of(twin: DeployedTwin, file: str | None) -> list[dict[str, Any]]:
    if file is None:
        return []
    return [json.loads(line) for line in twin.client().files.content(file).text.splitlines()]


def test_every_line_is_answered_or_in_the_error_file_in_order(twin: DeployedTwin) -> None:
    questions = [entry["question"] for entry in json.loads(CRANFIELD.read_text())["questions"][:40]]
    lines: list[Any] = [request(twin, f"q{number}", text) for number, text in enumerate(questions)]
    lines[7] = ["not an object"]
    lines[19]["custom_id"] = "q3"
    lines[30]["body"]["messages"][0]["content"] = "word " * 40_000
    lines[35]["body"]["stream"] = True
    batch = ended(twin, begin(twin, jsonl(lines)).id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 40, "completed": 36, "failed": 4}
    answered, failed = lines_of(twin, batch.output_file_id), lines_of(twin, batch.error_file_id)
    assert [line["custom_id"] for line in answered] == [
        f"q{number}" for number in range(40) if number not in {7, 19, 30, 35}
    ]
    for line in answered:
        body = line["response"]["body"]
        assert (line["error"], line["response"]["status_code"]) == (None, 200)
        assert body["object"] == "chat.completion"
        assert body["choices"][0]["message"]["content"]
        assert isinstance(body["search_results"], list)
    assert [(line["custom_id"], line["error"]["message"].split(":")[0]) for line in failed] == [
        (None, "Line 8"),
        ("q3", "Line 20"),
        ("q30", "Line 31"),
        ("q35", "Line 36"),
    ]


def test_the_command_shows_both_files(twin: DeployedTwin, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_in_batch(twin.connection(), SAMPLE) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("batch batch_")
    assert "answered: 5" in printed
    assert "not answered: 1" in printed


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"a,b\n1,2\n", 1), (b'\n\n[\n{"custom_id":\n', 3), (b"\x89PNG\r\n\x1a\n\xff", 1)],
)
def test_a_file_that_is_no_jsonl_is_refused_with_the_line(
    twin: DeployedTwin, content: bytes, line: int
) -> None:
    with pytest.raises(openai.BadRequestError, match=rf"[Ll]ine {line}\b"):
        twin.client().files.create(file=("bad.jsonl", io.BytesIO(content)), purpose="batch")


def test_an_empty_file_is_refused(twin: DeployedTwin) -> None:
    with pytest.raises(openai.BadRequestError, match="empty"):
        twin.client().files.create(file=("empty.jsonl", io.BytesIO(b"")), purpose="batch")


def announced(twin: DeployedTwin, content: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Upload past the API; the file's id."""
    monkeypatch.setattr(uploads, "LARGEST_IN_A_REQUEST", 0)
    path = folder / "large.jsonl"
    path.write_bytes(content)
    return uploads.upload(twin.client(), path)


def test_a_large_file_is_uploaded_past_the_api(
    twin: DeployedTwin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a request to the API can carry; most of it is one line that is too long for the model."""
    lines = [request(twin, "long", "word " * 1_200_000), request(twin, "short", "What does a copy cost?")]
    content = jsonl(lines)
    assert len(content) > 5_000_000
    with pytest.raises(openai.APIStatusError) as raised:
        twin.client().files.create(file=("large.jsonl", io.BytesIO(content)), purpose="batch")
    assert raised.value.status_code == 413
    client = twin.client()
    batch = client.batches.create(
        input_file_id=announced(twin, content, tmp_path, monkeypatch),
        endpoint="/v1/chat/completions",
        completion_window="24h",
    )
    batch = ended(twin, batch.id)
    assert [line["custom_id"] for line in lines_of(twin, batch.output_file_id)] == ["short"]
    assert [line["custom_id"] for line in lines_of(twin, batch.error_file_id)] == ["long"]


def test_an_uploaded_file_that_is_no_jsonl_fails_its_batch_with_the_line(
    twin: DeployedTwin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = announced(twin, b"a,b\n1,2\n", tmp_path, monkeypatch)
    batch = twin.client().batches.create(
        input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"
    )
    batch = ended(twin, batch.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert batch.errors.data[0].line == 1


def test_cancelling_stops_the_transform_job(twin: DeployedTwin) -> None:
    questions = [request(twin, f"q{number}", "What does a copy cost?") for number in range(30)]
    with twin.transform_fault("stall", seconds=120.0):
        batch = begin(twin, jsonl(questions))
        job = twin.transform_job(batch.id)
        assert twin.client().batches.cancel(batch.id).status == "cancelling"
        found = ended(twin, batch.id)
    assert found.status == "cancelled"
    assert twin.transform_status(job) == "Stopped"
    answered, failed = lines_of(twin, found.output_file_id), lines_of(twin, found.error_file_id)
    assert len(answered) + len(failed) == 30
    assert {line["error"]["code"] for line in failed} == {"batch_cancelled"}


def test_a_failed_job_keeps_what_was_answered(twin: DeployedTwin) -> None:
    count = 3 * twin.lines_per_shard
    questions = [request(twin, f"q{number}", "What does a copy cost?") for number in range(count)]
    with twin.transform_fault("model_error", record=count, status=500, times=10):
        batch = ended(twin, begin(twin, jsonl(questions)).id)
    assert batch.status == "failed"
    answered, failed = lines_of(twin, batch.output_file_id), lines_of(twin, batch.error_file_id)
    assert len(answered) + len(failed) == count
    assert answered
    assert {line["error"]["code"] for line in failed} == {"batch_failed"}


def test_realtime_requests_are_answered_while_a_batch_runs(twin: DeployedTwin) -> None:
    questions = [request(twin, f"q{number}", f"What does copy {number} cost?") for number in range(300)]
    batch = begin(twin, jsonl(questions))
    answers = 0
    while twin.client().batches.retrieve(batch.id).status in RUNNING:
        answer = twin.client().chat.completions.create(
            model=twin.model, messages=[{"role": "user", "content": "What does a copy cost?"}], max_tokens=20
        )
        assert answer.choices[0].message.content
        answers += 1
    assert answers > 3
    found = ended(twin, batch.id)
    assert found.request_counts is not None
    assert found.request_counts.completed == 300


def test_batches_and_files_are_listed_newest_first(twin: DeployedTwin) -> None:
    client = twin.client()
    made = [ended(twin, begin(twin, SAMPLE.read_bytes()).id).id for _ in range(3)]
    listed = [batch.id for batch in client.batches.list(limit=2)]
    assert listed[:3] == made[::-1]
    with pytest.raises(openai.NotFoundError):
        twin.client(twin.key("subscriber")).batches.retrieve(made[0])


def test_a_deleted_file_is_gone(twin: DeployedTwin) -> None:
    client = twin.client()
    file = client.files.create(file=("a.jsonl", io.BytesIO(SAMPLE.read_bytes())), purpose="batch")
    assert client.files.content(file.id).read() == SAMPLE.read_bytes()
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
