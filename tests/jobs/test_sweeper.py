"""Sweeps over all that is due."""

from __future__ import annotations

from typing import Any

import pytest
from jobs.sweeper import Swept

from tests.jobs.fakes import PAGE
from tests.jobs.simulation import OWNER, TTL_SECONDS, Simulation


def sweep(world: Simulation, seconds: float = 600) -> Swept:
    return world.sweeper().sweep(world.now + seconds)


def overdue(count: int) -> tuple[Simulation, list[str]]:
    world = Simulation()
    jobs = [world.submit().job for _ in range(count)]
    world.now += TTL_SECONDS
    return world, jobs


def test_every_page_of_what_is_due_is_looked_at() -> None:
    world, jobs = overdue(3 * PAGE + 1)
    swept = sweep(world)
    assert (swept.looked_at, swept.failed, swept.complete) == (len(jobs), 0, True)
    assert [record["id"] for record in swept.settled] == jobs


def test_jobs_that_are_not_due_are_left_alone() -> None:
    world = Simulation()
    world.submit()
    world.now += TTL_SECONDS - 1
    assert sweep(world).looked_at == 0


def test_one_bad_job_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world, jobs = overdue(4)
    output = world.jobs.records[OWNER, jobs[0]]["output_key"]
    read = world.objects.read

    def broken(key: str, limit: int) -> bytes | None:
        if key == output:
            raise ConnectionError("slow down")
        return read(key, limit)

    monkeypatch.setattr(world.objects, "read", broken)
    swept = sweep(world)
    assert (swept.looked_at, swept.failed) == (4, 1)
    assert [(job, str(error)) for job, error in world.problems] == [(jobs[0], "slow down")]
    record = world.jobs.records[OWNER, jobs[0]]
    assert (record["status"], record["due_at"]) == ("queued", world.now + 60)
    assert [world.jobs.records[OWNER, job]["status"] for job in jobs[1:]] == ["failed"] * 3


def test_when_even_stepping_aside_fails_the_sweep_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world, jobs = overdue(2)

    def broken(*_: Any, **__: Any) -> Any:
        raise ConnectionError("slow down")

    monkeypatch.setattr(world.jobs, "end", broken)
    monkeypatch.setattr(world.jobs, "defer", broken)
    assert sweep(world).failed == 2
    assert {job for job, _ in world.problems} == set(jobs)


def test_no_job_is_begun_when_time_is_up() -> None:
    world, _ = overdue(2)
    swept = sweep(world, seconds=0)
    assert (swept.looked_at, swept.complete) == (0, False)


def test_the_index_may_be_behind_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that it still shows may be gone, ended, or have been put off."""
    world, (gone, ended, later, due) = overdue(4)
    stale = world.jobs.due("response", int(world.now))
    rest = world.jobs.due("response", int(world.now), stale.next)
    pages = iter([stale, rest])
    world.delete(gone)
    world.cancel(ended)
    world.jobs.defer(world.jobs.records[OWNER, later], int(world.now) + 5)
    monkeypatch.setattr(
        world.jobs, "due", lambda kind, *_: next(pages) if kind == "response" else type(stale)([])
    )
    swept = sweep(world)
    assert [record["id"] for record in swept.settled] == [due]
    assert [job for job, _ in world.jobs.endings] == [ended, due]


def test_a_client_who_was_not_told_is_told_after_a_minute() -> None:
    world = Simulation()
    invocation = world.submit("app")
    record = world.jobs.get(OWNER, invocation.job)
    assert record is not None
    fields = {"status": "cancelled", "ended_at": 1_000}
    world.happened[invocation.job].add("cancelled")
    world.jobs.end(record, fields, 1_000, allowed={"queued"})
    world.now += 59
    sweep(world)
    assert world.events.sent == []
    world.now += 1
    for _ in range(2):
        sweep(world)
    (event,) = world.events.sent
    assert event == {
        "event_id": f"evt_{invocation.job[5:]}",
        "type": "response.cancelled",
        "created_at": 1_000,
        "client": "app",
        "id": invocation.job,
    }
