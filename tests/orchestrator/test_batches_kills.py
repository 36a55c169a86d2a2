"""A function that dies at any step leaves a batch that ends as it should, once."""

from __future__ import annotations

from typing import Literal

import pytest
from jobtable import ids, states

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fake_jobs import FakeJobs, Hook
from tests.orchestrator.filing import LINES, announced, as_owner, get, upload, uploaded
from tests.orchestrator.test_batches import KEY, batches, cancel, create, created

pytestmark = pytest.mark.anyio

Moment = Literal["before", "after"]


class KilledError(Exception):
    """The process ended here."""


def kill(harness: Harness, moment: Moment, number: int) -> None:
    """Die before or after the call of that number, counted from 0, of those from now on."""
    seen = -1

    async def die(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise KilledError

    hook: Hook = die
    harness.jobs.calls.before = hook if moment == "before" else None
    harness.jobs.calls.after = hook if moment == "after" else None


def revive(harness: Harness) -> None:
    harness.jobs.calls.before = harness.jobs.calls.after = None


async def sweep(jobs: FakeJobs) -> None:
    """What the sweeper does for open batches without an execution, and for those that are cancelled."""
    for item in jobs.table.records("ada", ids.BATCH):
        if item.get("open") and ids.digits(item["id"]) not in jobs.state_machine.executions:
            await jobs.state_machine.start(
                ids.digits(item["id"]), {"owner": item["owner"], "batch_id": item["id"]}
            )
        if item["status"] == states.CANCELLING:
            await jobs.transform_jobs.stop(ids.transform_job_name("test", item["id"], 0))


CREATION = ["get", "get", "put_new", "start"]
"""The calls of a creation with a key: its record, the file's, the new records, the execution."""


async def test_the_calls_of_a_creation(harness: Harness) -> None:
    """The tests below kill at each of them."""
    file_id = await uploaded(harness)
    harness.jobs.calls.names.clear()
    await create(harness, file_id, headers=KEY)
    assert harness.jobs.calls.names == CREATION


@pytest.mark.parametrize("number", range(len(CREATION)))
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("swept", [False, True])
async def test_a_creation_that_is_repeated_makes_one_batch(
    harness: Harness, moment: Moment, number: int, swept: bool
) -> None:
    """Whether the sweeper comes before the repetition or does not."""
    file_id = await uploaded(harness)
    kill(harness, moment, number)
    assert (await create(harness, file_id, headers=KEY)).status_code == 500
    revive(harness)
    if swept:
        await sweep(harness.jobs)
    response = await create(harness, file_id, headers=KEY)
    assert response.status_code == 200
    (batch,) = batches(harness)
    assert response.json()["id"] == batch["id"]
    assert harness.jobs.state_machine.executions == {
        ids.digits(batch["id"]): {"owner": "ada", "batch_id": batch["id"]}
    }


@pytest.mark.parametrize("number", range(len(CREATION)))
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_creation_that_is_given_up_leaves_no_batch_that_does_not_run(
    harness: Harness, moment: Moment, number: int
) -> None:
    file_id = await uploaded(harness)
    kill(harness, moment, number)
    await create(harness, file_id, headers=KEY)
    revive(harness)
    await sweep(harness.jobs)
    stored = {ids.digits(batch["id"]) for batch in batches(harness)}
    assert set(harness.jobs.state_machine.executions) == stored
    assert bool(stored) == bool(harness.jobs.table.records("ada", "idem#"))


CANCELLATION = ["get", "change", "stop", "stop", "stop"]


async def test_the_calls_of_a_cancellation(harness: Harness) -> None:
    made = await created(harness)
    harness.jobs.calls.names.clear()
    await cancel(harness, made["id"])
    assert harness.jobs.calls.names == CANCELLATION


@pytest.mark.parametrize("number", range(len(CANCELLATION)))
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_cancellation_that_broke_off(harness: Harness, moment: Moment, number: int) -> None:
    """Either nothing has happened yet, or the sweeper goes on; repeating it is always good."""
    made = await created(harness)
    kill(harness, moment, number)
    assert (await cancel(harness, made["id"])).status_code == 500
    revive(harness)
    status = batches(harness)[0]["status"]
    stored = number >= (1 if moment == "after" else 2)
    assert status == ("cancelling" if stored else "validating")
    await sweep(harness.jobs)
    assert (ids.transform_job_name("test", made["id"], 0) in harness.jobs.transform_jobs.stopped) == stored
    repeated = await cancel(harness, made["id"])
    assert (repeated.status_code, repeated.json()["status"]) == (200, "cancelling")
    assert set(harness.jobs.transform_jobs.stopped) == {
        ids.transform_job_name("test", made["id"], attempt) for attempt in range(3)
    }


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_upload_that_broke_off_shows_no_file_without_content(
    harness: Harness, moment: Moment, number: int
) -> None:
    kill(harness, moment, number)
    assert (await upload(harness)).status_code == 500
    revive(harness)
    for file in (await get(harness, "/v1/files")).json()["data"]:
        assert (await get(harness, f"/v1/files/{file['id']}/content")).content == LINES
    assert await uploaded(harness)


@pytest.mark.parametrize(
    ("moment", "number"), [("before", 0), ("before", 1), ("before", 2), ("after", 0), ("after", 1)]
)
async def test_a_file_whose_settling_broke_off_is_settled_next_time(
    harness: Harness, moment: Moment, number: int
) -> None:
    file = await announced(harness)
    place = next(iter(harness.jobs.table.items))
    harness.jobs.objects.contents[f"jobs/files/ada/{file['id']}.jsonl"] = LINES
    kill(harness, moment, number)
    assert (await get(harness, f"/v1/files/{file['id']}")).status_code == 500
    revive(harness)
    assert (await get(harness, f"/v1/files/{file['id']}")).json()["status"] == "processed"
    assert list(harness.jobs.table.items) == [place]
    response = await harness.request("DELETE", f"/v1/files/{file['id']}", headers=as_owner("ada"))
    assert response.json()["deleted"] is True
