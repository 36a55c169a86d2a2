"""Batches that a sweep looks after."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs.announce import announce
from jobtable.ids import digits
from jobtable.records import Record
from jobtable.states import OPEN

from tests.jobs.fakes import Kill, Meddling, World

BATCH = "batch_" + "1" * 32
OWNER = "key1"


def batch(world: World, status: str = "in_progress", **more: Any) -> None:
    record: Record = {
        "owner": OWNER,
        "id": BATCH,
        "status": status,
        "created_at": 900,
        "due_at": 1_000,
        "open": "batch",
        "client": "app",
    }
    world.jobs.put({**record, **more})


def stored(world: World) -> Record:
    record = world.jobs.get(OWNER, BATCH)
    assert record is not None
    return record


def sweep(world: World, meddling: Meddling | None = None) -> None:
    world.sweeper(meddling).sweep(world.now + 600)


@pytest.mark.parametrize("status", ["validating", "cancelling"])
def test_a_batch_without_an_execution_gets_one(status: str) -> None:
    world = World()
    batch(world, status)
    sweep(world)
    assert world.executions.documents == {digits(BATCH): {"owner": OWNER, "batch_id": BATCH}}
    assert (stored(world)["status"], stored(world)["due_at"]) == (status, 1_060)


@pytest.mark.parametrize("execution", ["RUNNING", "PENDING_REDRIVE"])
def test_a_running_batch_is_let_run_and_looked_at_again_in_a_minute(execution: str) -> None:
    world = World()
    batch(world)
    world.executions.statuses[digits(BATCH)] = execution
    world.transforms.running = {f"twin-test-{digits(BATCH)}-0"}
    sweep(world)
    assert world.transforms.running == {f"twin-test-{digits(BATCH)}-0"}
    assert (stored(world)["status"], stored(world)["due_at"]) == ("in_progress", 1_060)


def test_transform_jobs_of_a_batch_that_is_being_cancelled_are_stopped_each_minute() -> None:
    world = World()
    batch(world, "cancelling")
    world.executions.statuses[digits(BATCH)] = "RUNNING"
    for attempt in range(3):
        world.transforms.running = {f"twin-test-{digits(BATCH)}-{attempt}"}
        sweep(world)
        assert world.transforms.running == set()
        world.now += 60


@pytest.mark.parametrize(
    ("execution", "before", "after"),
    [
        ("TIMED_OUT", "in_progress", "expired"),
        ("FAILED", "finalizing", "failed"),
        ("ABORTED", "validating", "failed"),
        ("SUCCEEDED", "in_progress", "failed"),
        ("FAILED", "cancelling", "cancelled"),
        ("TIMED_OUT", "cancelling", "cancelled"),
    ],
)
def test_a_batch_whose_execution_ended_ends(execution: str, before: str, after: str) -> None:
    world = World()
    batch(world, before)
    world.executions.statuses[digits(BATCH)] = execution
    sweep(world)
    record = stored(world)
    assert record["status"] == after
    assert record[f"{after}_at"] == 1_000
    assert "open" not in record
    codes = [error["code"] for error in record.get("errors", ())]
    assert codes == (["batch_failed"] if after == "failed" else [])
    assert [event["type"] for event in world.events.sent] == [f"batch.{after}"]


def test_a_batch_that_is_cancelled_while_it_is_looked_at_is_cancelled() -> None:
    world = World()
    batch(world)
    world.executions.statuses[digits(BATCH)] = "FAILED"

    def cancel() -> None:
        batch(world, "cancelling")

    sweep(world, Meddling(at=3, action=cancel))  # after due, get and status
    assert stored(world)["status"] == "cancelled"


def finish(world: World, meddling: Meddling) -> None:
    """What the last step of the state machine does, and does again after a failure."""
    stores = world.stores(meddling)
    record = stores.jobs.get(OWNER, BATCH)
    if record is None:
        return
    if record["status"] in OPEN:
        final = "cancelled" if record["status"] == "cancelling" else "completed"
        fields = {"status": final, f"{final}_at": int(world.now)}
        record = stores.jobs.end(record, fields, int(world.now), allowed={record["status"]}) or record
    announce(stores, record, int(world.now))


def kill() -> None:
    raise Kill


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "sweep", "cancel", "finish", "break", "wait"]), st.integers(0, 7)),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_a_batch_ends_once_whatever_happens(steps: list[tuple[str, int]]) -> None:
    world = World()
    batch(world, "validating")
    name = digits(BATCH)

    def step(what: str, meddling: Meddling) -> None:
        if what == "start":
            world.executions.start(name, {"owner": OWNER, "batch_id": BATCH})
        elif what == "sweep":
            sweep(world, meddling)
        elif what == "cancel" and stored(world)["status"] in OPEN:
            world.jobs.records[OWNER, BATCH]["status"] = "cancelling"
        elif what == "finish" and world.executions.statuses.get(name) == "RUNNING":
            finish(world, meddling)
            world.executions.statuses[name] = "SUCCEEDED"
        elif what == "break" and world.executions.statuses.get(name) == "RUNNING":
            world.executions.statuses[name] = "FAILED"
        elif what == "wait":
            world.now += 60

    for what, at in steps:
        with suppress(Kill):
            step(what, Meddling(at, kill))
    for what in ("wait", "sweep", "finish", "wait", "sweep", "wait", "sweep"):
        step(what, Meddling())
    (ending,) = world.jobs.endings
    assert ending == (BATCH, stored(world)["status"])
    assert "open" not in stored(world)
    assert {event["type"] for event in world.events.sent} == {f"batch.{ending[1]}"}
    assert all(event == world.events.sent[0] for event in world.events.sent)
    assert world.problems == []
