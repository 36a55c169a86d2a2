"""The handlers: payloads of the state machine in, results out, and what is logged and counted."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from batch.augmentation import OutOfTimeError
from batch.environment import AugmentEnvironment
from pydantic import ValidationError

from tests.batch.variables import AUGMENT, STEPS
from tests.batch.world import BATCH, OWNER, World, file, passage, question

SECRET = "the text of a question"
BATCH_EVENT = {"owner": OWNER, "batch_id": BATCH}
PREPARE = {"step": "prepare", **BATCH_EVENT, "begun": "1970-01-01T00:20:00.250Z", "transformed_within": 3_000}
"""At 2,000 s the batch, which began at 1,200.25 s, has 2,200.25 s left."""


@dataclass
class Context:
    """What Lambda passes beside the event."""

    remaining_ms: int = 900_000
    function_name: str = "batch"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:batch"
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def load(monkeypatch: pytest.MonkeyPatch, name: str, variables: dict[str, str]) -> ModuleType:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    return importlib.reload(importlib.import_module(name))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, world: World, capsys: pytest.CaptureFixture[str]) -> ModuleType:
    """The module of the steps, on stores in memory, counting into what `capsys` reads."""
    module = load(monkeypatch, "batch.steps", STEPS)
    monkeypatch.setattr(module, "stores", world.stores)
    monkeypatch.setattr(module.time, "time", lambda: 2_000.5)
    return module


@pytest.fixture
def augment(monkeypatch: pytest.MonkeyPatch, world: World, capsys: pytest.CaptureFixture[str]) -> ModuleType:
    module = load(monkeypatch, "batch.augment", AUGMENT)
    monkeypatch.setattr(module, "stores", lambda: (world.jobs, world.objects, world.sources))
    monkeypatch.setattr(module, "encoder", lambda: world.encoder)
    return module


def counted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Metrics with their dimensions, without what the library adds."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [line for line in lines if "_aws" in line]
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "LlmTwin" for line in metrics)
    names = ("BatchesEnded", "BatchLines", "status", "result", "environment")
    return [{name: line[name] for name in names if name in line} for line in metrics]


def test_a_batch_from_its_file_to_its_end(
    steps: ModuleType,
    augment: ModuleType,
    world: World,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.sources.found[SECRET] = [passage("d")]
    world.create(file(question("a", SECRET), question("b", model="gpt"), question("c"), question("d")))
    validated = steps.handler({"step": "validate", **BATCH_EVENT}, Context())
    assert validated == {"valid": True, "shards": [{"shard": 0}, {"shard": 1}], "total": 4}
    results = [augment.handler({**BATCH_EVENT, **shard}, Context()) for shard in validated["shards"]]
    assert results == [{"shard": 0, "requests": 1, "errors": 0}, {"shard": 1, "requests": 2, "errors": 0}]
    assert steps.handler(PREPARE, Context()) == {"transform": True, "seconds": 2_200}
    world.transform()
    joined = steps.handler({"step": "join", **BATCH_EVENT}, Context())
    counts = {"total": 4, "completed": 3, "failed": 1}
    assert joined == {"counts": counts, "output": True, "errors": True}
    finish = {"step": "finish", **BATCH_EVENT, "failure": None, "counts": counts}
    assert counted(capsys) == []
    for _ in range(2):
        assert steps.handler(finish, Context()) == {"status": "completed"}
    assert world.batch["completed_at"] == 2_000
    assert counted(capsys) == [
        {"BatchesEnded": [1.0], "status": "completed", "environment": "test"},
        {"BatchLines": [3.0], "result": "completed", "environment": "test"},
        {"BatchLines": [1.0], "result": "failed", "environment": "test"},
    ]
    assert len(caplog.records) == 7
    assert not any(SECRET in str(record.__dict__) for record in caplog.records)


@pytest.mark.parametrize(("within", "seconds"), [(861, 61), (860, 60), (3, 60)])
def test_the_transform_job_gets_what_is_left_of_its_time(
    steps: ModuleType, world: World, within: int, seconds: int
) -> None:
    world.create(file(question("a")))
    prepared = steps.handler({**PREPARE, "transformed_within": within}, Context())
    assert prepared == {"transform": False, "seconds": seconds}


@pytest.mark.parametrize("missing", ["begun", "transformed_within"])
def test_preparing_needs_to_know_the_time(steps: ModuleType, world: World, missing: str) -> None:
    world.create(file(question("a")))
    event = {name: value for name, value in PREPARE.items() if name != missing}
    with pytest.raises(ValueError, match="prepare needs 'begun' and 'transformed_within'"):
        steps.handler(event, Context())


def test_a_failure_decides_on_the_status(steps: ModuleType, world: World) -> None:
    world.create(file(question("a")))
    steps.handler({"step": "validate", **BATCH_EVENT}, Context())
    failure = {"Error": "States.Timeout", "Cause": "x" * 100}
    joined = steps.handler({"step": "join", **BATCH_EVENT, "failure": failure}, Context())
    assert joined == {"counts": {"total": 1, "completed": 0, "failed": 1}, "output": False, "errors": True}
    finish = {"step": "finish", **BATCH_EVENT, "failure": failure, "counts": joined["counts"]}
    assert steps.handler(finish, Context()) == {"status": "expired"}
    assert world.file("error")[0]["error"]["code"] == "batch_expired"


def test_a_batch_is_finished_without_counts(steps: ModuleType, world: World) -> None:
    world.create(file(question("a")))
    failure = {"Error": "Lambda.Unknown"}
    assert steps.handler({"step": "finish", **BATCH_EVENT, "failure": failure}, Context()) == {
        "status": "failed"
    }


def test_a_refused_file_is_counted_as_a_failed_batch(
    steps: ModuleType, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.create(b"")
    for _ in range(2):
        answer = steps.handler({"step": "validate", **BATCH_EVENT}, Context())
        assert answer == {"valid": False, "shards": [], "total": 0}
    assert counted(capsys)[0] == {"BatchesEnded": [1.0], "status": "failed", "environment": "test"}
    assert counted(capsys) == []


def test_a_batch_that_is_gone_has_no_status(steps: ModuleType) -> None:
    assert steps.handler({"step": "finish", **BATCH_EVENT}, Context()) == {"status": None}


@pytest.mark.parametrize(
    "event",
    [{"step": "start", **BATCH_EVENT}, {"step": "join"}, {"step": "join", "owner": "", "batch_id": "b"}],
)
def test_other_payloads_are_refused(steps: ModuleType, event: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        steps.handler(event, Context())


@pytest.mark.parametrize(("remaining_ms", "in_time"), [(40_000, True), (29_000, False)])
def test_a_shard_that_would_outlast_the_invocation_comes_again(
    augment: ModuleType, world: World, remaining_ms: int, in_time: bool
) -> None:
    world.create(file(question("a")))
    world.validate()
    event = {**BATCH_EVENT, "shard": 0}
    if in_time:
        assert augment.handler(event, Context(remaining_ms))["requests"] == 1
        return
    with pytest.raises(OutOfTimeError):
        augment.handler(event, Context(remaining_ms))


def test_the_transform_jobs_limit_is_the_lines(
    augment: ModuleType, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.create(file(question("a", stop="x" * 1_000_000), question("b")))
    world.validate()
    environment = AugmentEnvironment.read({**AUGMENT, "MAX_PAYLOAD_MIB": "1"})
    monkeypatch.setattr(augment, "environment", environment)
    answers = [augment.handler({**BATCH_EVENT, "shard": shard}, Context()) for shard in (0, 1)]
    assert [answer["errors"] for answer in answers] == [1, 0]
