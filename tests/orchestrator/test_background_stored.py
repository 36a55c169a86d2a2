"""Background responses are fetched, cancelled and deleted by their owner."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from jobtable import keys, states
from jobtable.records import to_item
from orchestrator.jobs.asynchronous import MAX_INLINE_BYTES
from orchestrator.jobs.errors import JobsUnavailableError
from orchestrator.jobs.idempotency import KEPT_SECONDS

from tests.orchestrator.conftest import Harness
from tests.orchestrator.filing import as_owner
from tests.orchestrator.test_background import KEY, OUTPUT, call, create, created, end

pytestmark = pytest.mark.anyio


class KilledError(Exception):
    """The function ended here."""


@pytest.mark.parametrize("status", [states.COMPLETED, states.INCOMPLETE])
async def test_an_answer_is_read_from_the_bucket(harness: Harness, status: str) -> None:
    record = await created(harness, tools=[{"type": "function", "name": "find"}])
    completion = json.loads(OUTPUT)
    if status == states.INCOMPLETE:
        completion["choices"][0]["finish_reason"] = "length"
    ended = end(harness, record, status, json.dumps(completion).encode())
    body = (await call(harness, "GET", record)).json()
    assert (body["id"], body["status"], body["completed_at"]) == (record["id"], status, ended["ended_at"])
    [item] = body["output"]
    assert item["content"][0]["annotations"][0]["url"] == "https://ada.example/copies"
    assert body["usage"]["input_tokens"] == 7
    assert body["grounded"] is True
    assert body["search_results"][0]["document_id"] == "essays/1"
    assert body["tools"][0]["name"] == "find"
    assert (body["incomplete_details"] is None) is (status == states.COMPLETED)


async def test_a_failed_response_has_its_error(harness: Harness) -> None:
    record = await created(harness)
    error = {"code": "model_error", "message": "The model failed to answer the request."}
    end(harness, record, states.FAILED, None, error=error)
    body = (await call(harness, "GET", record)).json()
    assert (body["status"], body["error"], body["output"]) == ("failed", error, [])


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"choices": []}'])
async def test_an_answer_that_is_gone_or_none_is_a_failure(harness: Harness, content: bytes | None) -> None:
    record = await created(harness)
    end(harness, record, states.COMPLETED, content)
    body = (await call(harness, "GET", record)).json()
    assert (body["status"], body["error"]["code"]) == ("failed", "missing_output")


async def test_cancelling_ends_a_queued_response(harness: Harness) -> None:
    record = await created(harness)
    body = (await call(harness, "POST", record, then="/cancel")).json()
    assert (body["status"], body["output"]) == ("cancelled", [])
    [after] = harness.jobs.table.records("ada")
    assert after["status"] == "cancelled"
    assert "open" not in after
    assert harness.jobs.queue.messages == []
    assert (await call(harness, "POST", record, then="/cancel")).json() == body


async def test_a_response_that_has_ended_cannot_be_cancelled(harness: Harness) -> None:
    record = await created(harness)
    end(harness, record, states.COMPLETED)
    body = (await call(harness, "POST", record, then="/cancel")).json()
    assert (body["status"], len(body["output"])) == ("completed", 1)


async def test_an_outcome_that_is_faster_than_the_cancellation_stays(harness: Harness) -> None:
    record = await created(harness)

    async def settle(name: str) -> None:
        if name == "change":
            end(harness, record, states.COMPLETED)

    harness.jobs.calls.before = settle
    body = (await call(harness, "POST", record, then="/cancel")).json()
    assert body["status"] == "completed"


async def test_a_client_with_a_webhook_is_told_of_a_cancellation_once(harness: Harness) -> None:
    record = await created(harness, "hooked")
    assert record["client"] == "ada"
    for _ in range(2):
        await call(harness, "POST", record, owner="hooked", then="/cancel")
    [event] = harness.jobs.queue.messages
    assert (event["type"], event["client"], event["id"]) == ("response.cancelled", "ada", record["id"])
    [after] = harness.jobs.table.records("hooked")
    assert after["notified_at"] >= after["ended_at"]
    assert "open" not in after


@pytest.mark.parametrize("failing", ["send", "change"])
async def test_the_sweeper_tells_of_a_cancellation_that_could_not_be_told(
    harness: Harness, failing: str
) -> None:
    record = await created(harness, "hooked")
    changes = 0

    async def fail(name: str) -> None:
        nonlocal changes
        changes += name == "change"
        if name == failing == "send" or (name == failing == "change" and changes == 2):
            raise JobsUnavailableError

    harness.jobs.calls.before = fail
    body = (await call(harness, "POST", record, owner="hooked", then="/cancel")).json()
    assert body["status"] == "cancelled"
    [after] = harness.jobs.table.records("hooked")
    assert (after["open"], after["due_at"]) == ("response", after["ended_at"] + 60)
    assert "notified_at" not in after


@pytest.mark.parametrize("headers", [{}, KEY])
async def test_deleting_removes_all_there_is(harness: Harness, headers: dict[str, str]) -> None:
    harness.variables = {"MAX_MODEL_LEN": "200000"}
    record = await created(harness, headers=headers, input="a" * MAX_INLINE_BYTES)
    end(harness, record, states.COMPLETED)
    assert len(harness.jobs.objects.contents) == 2
    body = (await call(harness, "DELETE", record)).json()
    assert body == {"id": record["id"], "object": "response", "deleted": True}
    assert harness.jobs.table.items == {}
    assert harness.jobs.objects.contents == {}
    assert (await call(harness, "DELETE", record)).status_code == 404


@pytest.mark.parametrize("step", ["before", "after"])
async def test_an_outcome_beside_a_deletion_leaves_nothing(harness: Harness, step: str) -> None:
    """One that comes before the record goes writes where its answer lies; one that comes after, nothing."""
    record = await created(harness)
    where = f"{keys.ASYNCHRONOUS_OUTPUT}of-another-submission.out"

    async def settle(name: str) -> None:
        if name == "delete":
            setattr(harness.jobs.calls, step, None)
            if step == "before":
                end(harness, {**record, "output_key": where}, states.COMPLETED)
            else:
                harness.jobs.objects.contents[record["output_key"]] = OUTPUT

    setattr(harness.jobs.calls, step, settle)
    assert (await call(harness, "DELETE", record)).json()["deleted"] is True
    assert harness.jobs.table.items == {}
    assert harness.jobs.objects.contents == {}


async def test_deleting_twice_at_once_deletes_once(harness: Harness) -> None:
    record = end(harness, await created(harness, headers=KEY), states.COMPLETED)
    answers = await asyncio.gather(*(call(harness, "DELETE", record) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {200, 404}
    assert harness.jobs.table.items == {}
    assert harness.jobs.objects.contents == {}


async def test_a_deletion_that_dies_leaves_the_response_or_what_nobody_reaches(harness: Harness) -> None:
    """It never leaves a record whose answer is gone, nor a key that remembers what is not there."""
    for survived in range(5):
        record = end(harness, await created(harness, headers=KEY), states.COMPLETED)
        calls = 0

        async def die(name: str, survived: int = survived) -> None:
            nonlocal calls
            calls += name.startswith("delete")
            if calls > survived:
                raise KilledError

        harness.jobs.calls.before = die
        with contextlib.suppress(KilledError):
            await call(harness, "DELETE", record)
        harness.jobs.calls.before = None
        response = await call(harness, "GET", record)
        assert response.status_code == 404 or response.json()["status"] == "completed"
        if response.status_code == 200:
            assert (await call(harness, "DELETE", record)).status_code == 200
        assert harness.jobs.table.items == {}


async def test_objects_that_cannot_be_deleted_are_logged(harness: Harness) -> None:
    record = end(harness, await created(harness), states.COMPLETED)

    async def fail(name: str) -> None:
        if name == "delete object":
            raise JobsUnavailableError

    harness.jobs.calls.before = fail
    assert (await call(harness, "DELETE", record)).json()["deleted"] is True
    assert "JobsUnavailableError" in str(harness.telemetry.records[-1].error)
    assert (await call(harness, "GET", record)).status_code == 404


async def test_a_key_that_was_used_again_after_a_day_outlives_the_first_response(harness: Harness) -> None:
    """The record that remembers it is by then another response's."""
    first = await created(harness, headers=KEY)
    old = {**first, "created_at": first["created_at"] - KEPT_SECONDS}
    harness.jobs.table.items["ada", first["id"]] = to_item(old)
    [remembered] = harness.jobs.table.records("ada", "idem#")
    assert (await call(harness, "DELETE", first)).status_code == 200
    assert harness.jobs.table.records("ada") == [remembered]


async def test_after_a_deletion_the_key_is_new(harness: Harness) -> None:
    record = await created(harness, headers=KEY)
    await call(harness, "DELETE", record)
    assert (await create(harness, headers=KEY)).json()["id"] != record["id"]


@pytest.mark.parametrize(("method", "then"), [("GET", ""), ("POST", "/cancel"), ("DELETE", "")])
async def test_keys_see_only_their_own_responses(harness: Harness, method: str, then: str) -> None:
    record = await created(harness)
    before = dict(harness.jobs.table.items)
    response = await call(harness, method, record, owner="bob", then=then)
    assert response.status_code == 404
    assert response.json() == {
        "error": {
            "message": f"No response found with id '{record['id']}'.",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }
    }
    assert harness.jobs.table.items == before


@pytest.mark.parametrize("job_id", ["resp_1", "file-" + "0" * 32, "resp_" + "0" * 32])
async def test_an_id_of_no_response_is_not_found(harness: Harness, job_id: str) -> None:
    response = await call(harness, "GET", {"id": job_id})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_a_response_whose_time_has_passed_is_gone(harness: Harness) -> None:
    """DynamoDB takes days to remove it."""
    record = await created(harness)
    harness.jobs.table.items["ada", record["id"]] = to_item({**record, "delete_at": record["created_at"]})
    assert (await call(harness, "GET", record)).status_code == 404


async def test_a_background_response_cannot_be_streamed_later(harness: Harness) -> None:
    record = await created(harness)
    path = f"/v1/responses/{record['id']}?stream=true"
    response = await harness.request("GET", path, headers=as_owner("ada"))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "stream")
