"""Background responses: accepted at once, fetched, cancelled and deleted by their owner."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from jobtable import ids, keys, states
from jobtable.records import Record, to_item
from orchestrator.errors import ThrottledError
from orchestrator.jobs.asynchronous import MAX_INLINE_BYTES, SubmissionUnknownError
from orchestrator.jobs.errors import JobsUnavailableError
from orchestrator.responses.background import MARGIN_SECONDS, MAX_RECORD_BYTES

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import COMPLETION, MODEL
from tests.orchestrator.filing import as_owner

pytestmark = pytest.mark.anyio

KEY = {"idempotency-key": "night-42"}
OUTPUT = json.dumps(COMPLETION).encode()


async def create(
    harness: Harness, owner: str = "ada", headers: dict[str, str] | None = None, **fields: Any
) -> httpx.Response:
    body = {"model": MODEL, "input": "What are copies?", "background": True, **fields}
    return await harness.request(
        "POST", "/v1/responses", json=body, headers={**as_owner(owner), **(headers or {})}
    )


async def created(harness: Harness, owner: str = "ada", **fields: Any) -> Record:
    """The record of a response that was accepted."""
    response = await create(harness, owner, **fields)
    assert response.status_code == 200, response.text
    [record] = [one for one in harness.jobs.table.records(owner) if one["id"] == response.json()["id"]]
    return record


async def call(
    harness: Harness, method: str, record: Record, *, owner: str = "ada", then: str = ""
) -> httpx.Response:
    return await harness.request(method, f"/v1/responses/{record['id']}{then}", headers=as_owner(owner))


def end(
    harness: Harness, record: Record, status: str, output: bytes | None = OUTPUT, **fields: Any
) -> Record:
    """End the job as the functions behind the endpoint do."""
    ended = {**record, "status": status, "ended_at": record["created_at"] + 1, **fields}
    harness.jobs.table.items[record["owner"], record["id"]] = to_item(ended)
    if output is not None:
        harness.jobs.objects.contents[record["output_key"]] = output
    return ended


async def test_a_response_is_queued_with_all_that_is_needed_to_answer_it(harness: Harness) -> None:
    response = await create(harness, metadata={"ticket": "17"}, temperature=0.5, instructions="Be brief.")
    body = response.json()
    assert (body["status"], body["background"], body["store"]) == ("queued", True, True)
    assert (body["output"], body["usage"], body["metadata"]) == ([], None, {"ticket": "17"})
    assert (body["grounded"], body["citations"]) == (True, ["https://ada.example/copies", "notes/2"])
    [record] = harness.jobs.table.records("ada")
    created_at = record["created_at"]
    assert record["due_at"] == created_at + 3600 + 900 + MARGIN_SECONDS
    assert record["delete_at"] == created_at + 7 * 86_400
    assert (record["open"], record["status"], record["submitted"]) == ("response", "queued", True)
    assert record["output_key"].startswith(keys.ASYNCHRONOUS_OUTPUT)
    assert record["failure_key"].startswith(keys.ASYNCHRONOUS_FAILURE)
    [(inference_id, sent)] = harness.jobs.asynchronous.submitted
    assert ids.parse_inference_id(inference_id) == ("ada", body["id"])
    assert isinstance(sent, bytes)
    asked = json.loads(sent)
    assert "<sources>" in asked["messages"][0]["content"]
    assert (asked["temperature"], asked["max_tokens"]) == (0.5, 512)
    assert "stream" not in asked
    assert harness.model.bodies == []


async def test_a_response_takes_three_calls_and_a_repetition_two(harness: Harness) -> None:
    await create(harness)
    assert harness.jobs.calls.names == ["put_new", "submit", "change"]
    harness.jobs.calls.names.clear()
    await create(harness, headers=KEY)
    assert harness.jobs.calls.names == ["get", "put_new", "submit", "change"]
    harness.jobs.calls.names.clear()
    await create(harness, headers=KEY)
    assert harness.jobs.calls.names == ["get", "get"]
    assert len(harness.retriever.searches) == 2


async def test_a_long_request_goes_through_the_bucket(harness: Harness) -> None:
    harness.variables = {"MAX_MODEL_LEN": "200000"}
    record = await created(harness, input="a" * MAX_INLINE_BYTES)
    key = keys.asynchronous_input(record["id"])
    [(_, sent)] = harness.jobs.asynchronous.submitted
    assert sent == key
    assert json.loads(harness.jobs.objects.contents[key])["messages"][1]["content"] == "a" * MAX_INLINE_BYTES


async def test_the_same_key_and_body_get_the_first_response_as_it_is_now(harness: Harness) -> None:
    first = (await create(harness, headers=KEY)).json()
    [record] = harness.jobs.table.records("ada", ids.RESPONSE)
    end(harness, record, states.COMPLETED)
    second = (await create(harness, headers=KEY)).json()
    assert (second["id"], second["status"]) == (first["id"], "completed")
    assert second["output"][0]["content"][0]["text"] == "Grüße from Ada [1]."
    assert len(harness.jobs.asynchronous.submitted) == 1


async def test_the_same_key_with_another_body_is_refused(harness: Harness) -> None:
    await create(harness, headers=KEY)
    response = await create(harness, headers=KEY, input="Another question?")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "idempotency_key_reused"
    assert len(harness.jobs.asynchronous.submitted) == 1


async def test_a_key_belongs_to_its_owner(harness: Harness) -> None:
    first = await create(harness, "ada", KEY)
    second = await create(harness, "bob", KEY)
    assert first.json()["id"] != second.json()["id"]


async def test_a_key_can_be_used_again_after_a_day(harness: Harness) -> None:
    first = await create(harness, headers=KEY)
    table = harness.jobs.table
    [remembered] = table.records("ada", "idem#")
    table.items["ada", remembered["id"]] = to_item({**remembered, "delete_at": remembered["created_at"]})
    second = await create(harness, headers=KEY, input="Another question?")
    assert second.status_code == 200
    assert second.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("headers", [{}, KEY])
async def test_a_refused_submission_leaves_nothing(harness: Harness, headers: dict[str, str]) -> None:
    fail_at(harness, "submit", ThrottledError())
    response = await create(harness, headers=headers)
    assert (response.status_code, response.headers["x-should-retry"]) == (429, "true")
    assert harness.jobs.table.items == {}
    harness.jobs.calls.before = None
    assert (await create(harness, headers=headers)).json()["status"] == "queued"
    assert len(harness.jobs.table.records("ada", ids.RESPONSE)) == 1


async def test_a_bucket_that_fails_leaves_nothing(harness: Harness) -> None:
    harness.variables = {"MAX_MODEL_LEN": "200000"}
    fail_at(harness, "put object", JobsUnavailableError())
    response = await create(harness, input="a" * MAX_INLINE_BYTES)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "jobs_unavailable")
    assert harness.jobs.table.items == {}


async def test_a_submission_of_unknown_outcome_stays_queued(harness: Harness) -> None:
    fail_at(harness, "submit", SubmissionUnknownError())
    response = await create(harness)
    assert (response.status_code, response.json()["status"]) == (200, "queued")
    [record] = harness.jobs.table.records("ada")
    assert (record["submitted"], record["open"]) == (False, "response")
    assert record["due_at"] > record["created_at"]
    assert harness.telemetry.records[0].error is not None


async def test_an_outcome_that_is_faster_than_its_note_stays(harness: Harness) -> None:
    async def settle(name: str) -> None:
        if name == "change":
            [record] = harness.jobs.table.records("ada")
            end(harness, {**record, "output_key": "o"}, states.COMPLETED)

    harness.jobs.calls.before = settle
    body = (await create(harness)).json()
    assert body["status"] == "completed"
    assert body["output"][0]["content"][0]["text"] == "Grüße from Ada [1]."


@pytest.mark.parametrize("failing", ["put_new", "get"])
async def test_without_the_table_nothing_is_submitted(harness: Harness, failing: str) -> None:
    fail_at(harness, failing, JobsUnavailableError())
    response = await create(harness, headers=KEY)
    assert (response.status_code, response.headers["x-should-retry"]) == (503, "true")
    assert harness.jobs.asynchronous.submitted == []


async def test_a_record_that_the_table_cannot_hold_is_refused(harness: Harness) -> None:
    harness.variables = {"MAX_MODEL_LEN": "2000000"}
    response = await create(harness, instructions="a" * MAX_RECORD_BYTES)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")
    assert harness.jobs.calls.names == []


async def test_without_an_asynchronous_endpoint_there_are_no_background_responses(harness: Harness) -> None:
    harness.variables = {"ASYNC_ENDPOINT_NAME": ""}
    record = {"id": ids.new_id(ids.RESPONSE, 1)}
    refused = [
        await create(harness),
        await call(harness, "GET", record),
        await call(harness, "POST", record, then="/cancel"),
        await call(harness, "DELETE", record),
    ]
    for response in refused:
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (404, "deployment_type_not_available")
        assert error["message"] == (
            "Background responses are not available here: "
            "this environment has no 'asynchronous' section in its settings."
        )
    answered = await harness.request("POST", "/v1/responses", json={"model": MODEL, "input": "Hi"})
    assert answered.status_code == 200


async def test_a_client_that_leaves_does_not_stop_what_was_begun(harness: Harness) -> None:
    """Half a job would be worse than one that nobody fetches."""
    gone, body = asyncio.Event(), {"model": MODEL, "input": "Why?", "background": True}
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": json.dumps(body).encode(), "more_body": False})

    async def leave(name: str) -> None:
        if name == "submit":
            incoming.put_nowait({"type": "http.disconnect"})
            gone.set()
            await asyncio.sleep(0)

    async def send(_: Any) -> None:
        pass

    harness.jobs.calls.before = leave
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/responses",
        "query_string": b"",
        "headers": [],
    }
    await harness.app(scope, incoming.get, send)
    assert gone.is_set()
    [record] = harness.jobs.table.records("local")
    assert record["submitted"] is True


async def test_accepting_is_counted_apart_from_answering(harness: Harness) -> None:
    await create(harness)
    await harness.request("POST", "/v1/responses", json={"model": MODEL, "input": "Hi"})
    assert [record.background for record in harness.telemetry.records] == [True, False]


def fail_at(harness: Harness, call_name: str, error: Exception) -> None:
    async def fail(name: str) -> None:
        if name == call_name:
            raise error

    harness.jobs.calls.before = fail
