"""The sweeper's handler: what a sweep looks at, logs and counts."""

from __future__ import annotations

from types import ModuleType

import pytest
from jobtable.ids import digits

from tests.jobs import variables
from tests.jobs.conftest import Load
from tests.jobs.lambda_events import DIMENSIONS, Context, counted
from tests.jobs.simulation import OWNER, TTL_SECONDS, Simulation


@pytest.fixture
def sweep(load: Load, world: Simulation, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("jobs.sweep", variables.SWEEP)
    monkeypatch.setattr(module, "stores", world.stores)
    monkeypatch.setattr(module, "executions", lambda: world.executions)
    monkeypatch.setattr(module, "transforms", lambda: world.transforms)
    return module


def test_a_sweep_is_logged_and_counted(
    sweep: ModuleType,
    world: Simulation,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost, broken = world.submit(), world.submit()
    read = world.objects.read

    def throttled(key: str, limit: int) -> bytes | None:
        if key == broken.output:
            raise ConnectionError("slow down")
        return read(key, limit)

    monkeypatch.setattr(world.objects, "read", throttled)
    world.now += TTL_SECONDS
    sweep.handler({}, Context())
    assert world.jobs.endings == [(lost.job, "failed")]
    kind = {**DIMENSIONS, "kind": "response"}
    assert counted(capsys) == [
        ("JobsSettled", 1, {**kind, "status": "failed"}),
        ("JobAgeSeconds", TTL_SECONDS, kind),
        ("JobsSwept", 2, DIMENSIONS),
    ]
    (failure,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert failure.__dict__["job_id"] == broken.job


def test_a_sweep_looks_after_batches(sweep: ModuleType, world: Simulation) -> None:
    job = "batch_" + "1" * 32
    world.jobs.put(
        {
            "owner": OWNER,
            "id": job,
            "status": "validating",
            "created_at": 1,
            "due_at": 2,
            "open": "batch",
        }
    )
    sweep.handler({}, Context())
    assert set(world.executions.documents) == {digits(job)}


def test_without_batches_a_sweep_calls_nothing_of_theirs(
    load: Load, world: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("jobs.sweep", {**variables.SWEEP, "BATCH_STATE_MACHINE_ARN": ""})
    monkeypatch.setattr(module, "stores", world.stores)
    for name in ("executions", "transforms"):
        monkeypatch.setattr(module, name, lambda: pytest.fail("nothing of batches is deployed"))
    lost = world.submit()
    world.now += TTL_SECONDS
    module.handler({}, Context())
    assert world.jobs.endings == [(lost.job, "failed")]


def test_a_sweep_ends_before_its_invocation(sweep: ModuleType, world: Simulation) -> None:
    world.submit()
    world.now += TTL_SECONDS
    sweep.handler({}, Context(remaining_ms=20_000))
    assert world.jobs.endings == []
