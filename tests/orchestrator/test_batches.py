"""Batches: creating, listing and cancelling them, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from jobtable import ids, keys, states
from jobtable.records import Record, to_item
from orchestrator.jobs.errors import JobsUnavailableError

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import MODEL
from tests.orchestrator.filing import LINES, announced, as_owner, get, uploaded

pytestmark = pytest.mark.anyio

KEY = {"idempotency-key": "night-42"}


async def create(
    harness: Harness,
    file_id: str,
    *,
    owner: str = "ada",
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx.Response:
    body = {
        "input_file_id": file_id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        **fields,
    }
    sent = {**as_owner(owner), **(headers or {})}
    return await harness.request("POST", "/v1/batches", json=body, headers=sent)


async def created(harness: Harness, **options: Any) -> dict[str, Any]:
    response = await create(harness, await uploaded(harness), **options)
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


async def cancel(harness: Harness, batch_id: str, *, owner: str = "ada") -> httpx.Response:
    return await harness.request("POST", f"/v1/batches/{batch_id}/cancel", headers=as_owner(owner))


def batches(harness: Harness, owner: str = "ada") -> list[Record]:
    return harness.jobs.table.records(owner, ids.BATCH)


def put(harness: Harness, batch_id: str, **fields: Any) -> None:
    """Change the record as the functions behind the queue do."""
    harness.jobs.table.items["ada", batch_id] |= to_item(fields)


async def unavailable(name: str) -> None:
    raise JobsUnavailableError


async def test_a_batch_is_stored_then_started(harness: Harness) -> None:
    file_id = await uploaded(harness)
    harness.jobs.calls.names.clear()
    made = (await create(harness, file_id, metadata={"team": "writing"})).json()
    at = made["created_at"]
    assert made == {
        "id": made["id"],
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": MODEL,
        "errors": None,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": at,
        "in_progress_at": None,
        "expires_at": at + 86_400,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": {"team": "writing"},
    }
    (record,) = batches(harness)
    assert (record["open"], record["due_at"], record["delete_at"]) == ("batch", at + 60, at + 7 * 86_400)
    assert "client" not in record
    assert harness.jobs.calls.names == ["get", "put_new", "start"]
    assert harness.jobs.state_machine.executions == {
        ids.digits(made["id"]): {"owner": "ada", "batch_id": made["id"]}
    }


async def test_a_client_with_a_webhook_is_remembered(harness: Harness) -> None:
    file_id = await uploaded(harness, owner="hooked")
    assert (await create(harness, file_id, owner="hooked")).status_code == 200
    assert batches(harness, "hooked")[0]["client"] == "ada"


async def test_a_batch_is_shown_as_it_is_now(harness: Harness) -> None:
    made = await created(harness)
    about: dict[str, Any] = {
        "status": "failed",
        "failed_at": made["created_at"] + 2,
        "errors": [{"code": "invalid_json", "message": "Line 1: …", "line": 1, "param": None}],
        "request_counts": {"total": 3, "completed": 2, "failed": 1},
        "output_file_id": "file-1",
        "error_file_id": "file-2",
    }
    put(harness, made["id"], **about)
    shown = (await get(harness, f"/v1/batches/{made['id']}")).json()
    errors = {"object": "list", "data": about["errors"]}
    assert shown == {**made, **about, "errors": errors}


async def test_only_its_own_key_sees_a_batch(harness: Harness) -> None:
    made = (await created(harness))["id"]
    nobodys = made.replace(made[-8:], "00000000")
    for owner, asked in (("bob", made), ("ada", nobodys), ("ada", "batch_1"), ("ada", "resp_1")):
        for response in (
            await get(harness, f"/v1/batches/{asked}", owner=owner),
            await cancel(harness, asked, owner=owner),
        ):
            assert response.status_code == 404
            assert response.json()["error"]["message"] == f"No batch found with id '{asked}'."
            assert response.json()["error"]["code"] == "not_found"
    assert (await get(harness, "/v1/batches", owner="bob")).json()["data"] == []
    assert batches(harness)[0]["status"] == "validating"
    assert harness.jobs.transform_jobs.stopped == []


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input_file_id": None}, "input_file_id", "missing_required_parameter"),
        ({"input_file_id": 1}, "input_file_id", "invalid_type"),
        ({"endpoint": None}, "endpoint", "missing_required_parameter"),
        ({"endpoint": "/v1/embeddings"}, "endpoint", "invalid_value"),
        ({"completion_window": None}, "completion_window", "missing_required_parameter"),
        ({"completion_window": "48h"}, "completion_window", "invalid_value"),
        ({"output_expires_after": {"seconds": 1}}, "output_expires_after", "unsupported_parameter"),
        ({"priority": 1}, "priority", "unknown_parameter"),
        ({"metadata": "a"}, "metadata", "invalid_type"),
        ({"metadata": {"a": 1}}, "metadata", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "invalid_value"),
        ({"metadata": {"k" * 65: ""}}, "metadata", "invalid_value"),
        ({"metadata": {"k": "v" * 513}}, "metadata", "invalid_value"),
    ],
)
async def test_requests_that_are_refused(
    harness: Harness, change: dict[str, Any], param: str, code: str
) -> None:
    response = await create(harness, "file-1", **change)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert harness.jobs.calls.names == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": NaN}'])
async def test_a_body_that_is_no_object_is_refused(harness: Harness, body: bytes) -> None:
    response = await harness.request("POST", "/v1/batches", content=body, headers=as_owner("ada"))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


async def test_the_most_metadata(harness: Harness) -> None:
    most = {f"{number:064}": "v" * 512 for number in range(16)}
    made = await created(harness, metadata=most)
    assert made["metadata"] == most
    assert (await created(harness, metadata=None))["metadata"] is None


async def test_the_file_must_be_the_clients(harness: Harness) -> None:
    for file_id in (await uploaded(harness, owner="bob"), "file-1"):
        response = await create(harness, file_id)
        assert response.status_code == 404
        error = response.json()["error"]
        assert (error["message"], error["param"]) == (f"No file found with id '{file_id}'.", "input_file_id")
    assert batches(harness) == []


async def test_the_file_must_be_uploaded(harness: Harness) -> None:
    file = await announced(harness)
    early = await create(harness, file["id"])
    assert (early.status_code, early.json()["error"]["code"]) == (400, "file_not_uploaded")
    assert early.json()["error"]["param"] == "input_file_id"
    harness.jobs.objects.contents[keys.file("ada", file["id"])] = LINES
    assert (await create(harness, file["id"])).status_code == 200
    assert harness.jobs.table.records("ada", ids.FILE)[0]["status"] == "processed"


@pytest.mark.parametrize("fields", [{"purpose": "batch_output"}, {"status": "error"}])
async def test_the_file_must_be_an_input(harness: Harness, fields: dict[str, str]) -> None:
    file_id = await uploaded(harness)
    put(harness, file_id, **fields)
    response = await create(harness, file_id)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "input_file_id")
    assert "where 'batch' and 'processed' are needed" in response.json()["error"]["message"]


async def test_a_key_creates_one_batch(harness: Harness) -> None:
    file_id = await uploaded(harness)
    first = (await create(harness, file_id, headers=KEY)).json()
    put(harness, first["id"], status="in_progress", in_progress_at=5)
    await harness.request("DELETE", f"/v1/files/{file_id}", headers=as_owner("ada"))
    again = (await create(harness, file_id, headers=KEY)).json()
    assert again == {**first, "status": "in_progress", "in_progress_at": 5}
    assert len(batches(harness)) == len(harness.jobs.state_machine.executions) == 1
    remembered = harness.jobs.table.records("ada", "idem#")[0]
    assert remembered["job_id"] == first["id"]
    assert remembered["delete_at"] == first["created_at"] + 86_400


async def test_a_key_is_for_one_request(harness: Harness) -> None:
    file_id = await uploaded(harness)
    await create(harness, file_id, headers=KEY)
    other = await create(harness, file_id, headers=KEY, metadata={"a": "b"})
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_key_reused")
    assert len(batches(harness)) == 1


async def test_a_key_that_a_response_was_made_with_is_refused(harness: Harness) -> None:
    file_id = await uploaded(harness)
    await create(harness, file_id, headers=KEY)
    item = harness.jobs.table.items["ada", ids.idempotency_id(KEY["idempotency-key"])]
    item["job_id"] = {"S": ids.new_id(ids.RESPONSE, 1)}
    response = await create(harness, file_id, headers=KEY)
    assert response.json()["error"]["code"] == "idempotency_key_reused"


async def test_keys_of_two_clients_are_apart(harness: Harness) -> None:
    for owner in ("ada", "bob"):
        file_id = await uploaded(harness, owner=owner)
        assert (await create(harness, file_id, owner=owner, headers=KEY)).status_code == 200
        assert len(batches(harness, owner)) == 1


async def test_requests_with_one_key_at_the_same_time(harness: Harness) -> None:
    file_id = await uploaded(harness)
    responses = await asyncio.gather(*(create(harness, file_id, headers=KEY) for _ in range(10)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["id"] for response in responses}) == 1
    assert len(batches(harness)) == len(harness.jobs.state_machine.executions) == 1


async def test_without_a_key_each_request_creates_a_batch(harness: Harness) -> None:
    file_id = await uploaded(harness)
    for _ in range(2):
        await create(harness, file_id, headers={"idempotency-key": ""})
    assert len(batches(harness)) == 2


async def test_a_batch_that_cannot_be_started_now_is_accepted(harness: Harness) -> None:
    """It is due for the sweeper, which starts it; the log has the reason."""

    async def no_start(name: str) -> None:
        if name == "start":
            raise JobsUnavailableError

    file_id = await uploaded(harness)
    harness.jobs.calls.before = no_start
    response = await create(harness, file_id)
    assert response.json()["status"] == "validating"
    assert batches(harness)[0]["open"] == "batch"
    assert harness.jobs.state_machine.executions == {}
    assert (harness.telemetry.records[-1].error or "").startswith("JobsUnavailableError")


async def test_a_batch_that_was_stored_after_all_is_started(harness: Harness) -> None:
    """The table wrote the record, and its answer was lost."""

    async def lose(name: str) -> None:
        if name == "put_new":
            raise JobsUnavailableError

    file_id = await uploaded(harness)
    harness.jobs.calls.after = lose
    response = await create(harness, file_id)
    assert response.status_code == 200
    assert list(harness.jobs.state_machine.executions) == [ids.digits(response.json()["id"])]

    harness.jobs.calls.after, harness.jobs.calls.before = None, lose
    assert (await create(harness, file_id)).status_code == 503
    assert len(batches(harness)) == 1


async def test_a_list_is_paged_from_new_to_old(harness: Harness) -> None:
    made = sorted([(await created(harness))["id"] for _ in range(5)], reverse=True)
    first = (await get(harness, "/v1/batches", limit=2)).json()
    assert [one["id"] for one in first["data"]] == made[:2]
    assert (first["object"], first["first_id"], first["last_id"]) == ("list", made[0], made[1])
    assert first["has_more"] is True
    rest = (await get(harness, "/v1/batches", limit=3, after=made[1])).json()
    assert [one["id"] for one in rest["data"]] == made[2:]
    assert rest["has_more"] is False


async def test_a_list_has_twenty_batches_by_default(harness: Harness) -> None:
    file_id = await uploaded(harness)
    for _ in range(21):
        await create(harness, file_id)
    page = (await get(harness, "/v1/batches")).json()
    assert (len(page["data"]), page["has_more"]) == (20, True)
    assert len((await get(harness, "/v1/batches", limit=100)).json()["data"]) == 21


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"after": "file-1"}, {"order": "asc"}])
async def test_lists_that_are_refused(harness: Harness, query: dict[str, str]) -> None:
    response = await get(harness, "/v1/batches", **query)
    assert (response.status_code, response.json()["error"]["param"]) == (400, next(iter(query)))


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing"])
async def test_cancelling_stops_the_transform_jobs(harness: Harness, status: str) -> None:
    made = await created(harness)
    put(harness, made["id"], status=status)
    response = await cancel(harness, made["id"])
    assert response.status_code == 200
    assert response.json()["status"] == "cancelling"
    assert response.json()["cancelling_at"] >= made["created_at"]
    assert harness.jobs.transform_jobs.stopped == [
        ids.transform_job_name("test", made["id"], attempt) for attempt in range(3)
    ]
    assert batches(harness)[0]["open"] == "batch"


async def test_cancelling_again_stops_again(harness: Harness) -> None:
    made = await created(harness)
    first = (await cancel(harness, made["id"])).json()
    put(harness, made["id"], cancelling_at=7)
    again = (await cancel(harness, made["id"])).json()
    assert again == {**first, "cancelling_at": 7}
    assert len(harness.jobs.transform_jobs.stopped) == 6


async def test_a_cancelled_batch_stays_so(harness: Harness) -> None:
    made = await created(harness)
    put(harness, made["id"], status="cancelled", cancelled_at=9)
    response = await cancel(harness, made["id"])
    assert (response.status_code, response.json()["cancelled_at"]) == (200, 9)
    assert harness.jobs.transform_jobs.stopped == []


@pytest.mark.parametrize("status", sorted(states.FINAL - {states.CANCELLED, states.INCOMPLETE}))
async def test_a_batch_that_ended_cannot_be_cancelled(harness: Harness, status: str) -> None:
    made = await created(harness)
    put(harness, made["id"], status=status)
    response = await cancel(harness, made["id"])
    assert response.status_code == 409
    assert response.json()["error"] == {
        "message": f"Cannot cancel a batch with status '{status}'.",
        "type": "invalid_request_error",
        "param": None,
        "code": "batch_not_cancellable",
    }
    assert response.headers["x-should-retry"] == "false"
    assert batches(harness)[0]["status"] == status


async def test_a_batch_that_cannot_be_stopped_now_is_cancelling(harness: Harness) -> None:
    """The sweeper stops it; the log has the reason."""

    async def no_stop(name: str) -> None:
        if name == "stop":
            raise JobsUnavailableError

    made = await created(harness)
    harness.jobs.calls.before = no_stop
    assert (await cancel(harness, made["id"])).json()["status"] == "cancelling"
    assert harness.jobs.calls.names.count("stop") == 3
    assert (harness.telemetry.records[-1].error or "").startswith("JobsUnavailableError")


@pytest.mark.parametrize(
    ("method", "suffix"), [("POST", ""), ("GET", ""), ("GET", "/batch_1"), ("POST", "/batch_1/cancel")]
)
async def test_where_batches_are_not_deployed(harness: Harness, method: str, suffix: str) -> None:
    harness.variables["BATCH_STATE_MACHINE_ARN"] = ""
    response = await harness.request(method, f"/v1/batches{suffix}", headers=as_owner("ada"))
    assert response.status_code == 404
    error = response.json()["error"]
    assert error["code"] == "deployment_type_not_available"
    assert error["message"] == (
        "Batches are not available here: this environment has no 'batch' section in its settings."
    )


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/batches/batch_" + "0" * 32])
async def test_while_jobs_cannot_be_read(harness: Harness, path: str) -> None:
    harness.jobs.calls.before = unavailable
    response = await get(harness, path)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "jobs_unavailable")
