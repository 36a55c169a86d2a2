"""Steps that are killed, repeated, or overtaken by a cancellation."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest
from jobtable import keys

from tests.batch.fakes import CrashError, Meddling
from tests.batch.world import BATCH, LIMITS, World, file, passage, question

CONTENT = file(
    question("a"),
    "",
    question("b", model="gpt"),
    question("c", max_tokens=9999),
    "nonsense",
    question("d"),
    question("e"),
    question("f"),
    question("a"),
)

Step = Callable[[World], Any]

STEPS: dict[str, Step] = {
    "validate": lambda world: world.validate(),
    "augment 0": lambda world: world.augment(0),
    "augment 1": lambda world: world.augment(1),
    "prepare": lambda world: world.prepare(),
    "transform": lambda world: world.transform(),
    "join": lambda world: world.join(),
    "finish": lambda world: world.finish(None, world.join().counts()),
}
OURS = [name for name in STEPS if name != "transform"]


def before(step: str, content: bytes = CONTENT) -> World:
    """A batch all of whose steps before this one were run. Its third shard is never augmented to the end."""
    world = World(limits=replace(LIMITS, instances=3))
    world.sources.found["Why?"] = [passage("d")]
    world.create(content)
    world.objects.upload(
        keys.transform_shard(BATCH, 2), b'{"line":8,"body":{"messages":[{"content":"?"}]}}\n'
    )
    for name, run in STEPS.items():
        if name == step:
            break
        run(world)
    return world


def finish_from(world: World, step: str) -> None:
    names = list(STEPS)
    for name in names[names.index(step) :]:
        STEPS[name](world)


@dataclass
class Picture:
    """What is left of a batch: all records, the files, and what the client was told."""

    records: dict[Any, Any]
    output: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    told: list[str]

    @classmethod
    def of(cls, world: World) -> Picture:
        told = [f"{event['event_id']} {event['type']}" for event in world.webhooks.events]
        return cls(deepcopy(world.jobs.stored), world.file("output"), world.file("error"), told)


def moments(step: str, content: bytes = CONTENT) -> int:
    """How often the step can be killed: before and after each call to the stores."""
    world, counter = before(step, content), Meddling()
    world.meddle(counter)
    STEPS[step](world)
    return counter.moments


def expected() -> Picture:
    world = before("")
    return Picture.of(world)


def crash() -> None:
    raise CrashError


def test_the_batch_of_these_tests_has_all_kinds_of_lines() -> None:
    picture = expected()
    assert [line["custom_id"] for line in picture.output] == ["a", "d", "e"]
    assert [line["error"]["code"] for line in picture.errors] == [
        "model_not_found",
        "invalid_value",
        "invalid_json_line",
        "augmentation_failed",
        "duplicate_custom_id",
    ]
    assert len(picture.records) == 3


@pytest.mark.parametrize("step", OURS)
def test_a_step_killed_at_any_moment_is_made_up_for_by_its_retry(step: str) -> None:
    whole = expected()
    for moment in range(1, moments(step) + 1):
        world = before(step)
        world.meddle(Meddling(moment, crash))
        with pytest.raises(CrashError):
            STEPS[step](world)
        world.meddle(Meddling())
        finish_from(world, step)
        picture = Picture.of(world)
        assert set(picture.told) == set(whole.told)
        assert len(picture.told) <= 2
        picture.told = whole.told
        assert picture == whole, moment


@pytest.mark.parametrize("step", OURS)
def test_a_step_that_is_repeated_changes_nothing(step: str) -> None:
    world = before(step)
    first = STEPS[step](world)
    objects, records = dict(world.objects.stored), deepcopy(world.jobs.stored)
    world.now += 100
    second = STEPS[step](world)
    if not step.startswith(("augment", "finish")):  # whose result also says that there was nothing to do
        assert second == first
    assert world.objects.stored == objects
    assert world.jobs.stored == records
    assert len(world.webhooks.events) <= 1


def test_the_refusal_of_a_file_is_made_up_for() -> None:
    for moment in range(1, moments("validate", b"no JSON") + 1):
        world = before("validate", b"no JSON")
        world.meddle(Meddling(moment, crash))
        with pytest.raises(CrashError):
            world.validate()
        world.meddle(Meddling())
        assert not world.validate().valid
        assert world.batch["status"] == "failed"
        assert {event["type"] for event in world.webhooks.events} == {"batch.failed"}
        assert 1 <= len(world.webhooks.events) <= 2
        assert "notified_at" in world.batch
        assert "open" not in world.batch


@pytest.mark.parametrize("step", [*STEPS])
def test_a_batch_that_is_cancelled_before_a_step_ends_as_cancelled(step: str) -> None:
    world = before(step)
    world.cancel()
    run_cancelled(world, step)
    check_cancelled(world, answered=step in {"join", "finish"})


@pytest.mark.parametrize("step", [name for name in OURS if name != "finish"])
def test_a_batch_that_is_cancelled_within_a_step_ends_as_cancelled(step: str) -> None:
    for moment in range(1, moments(step) + 1):
        world = before(step)
        world.meddle(Meddling(moment, world.cancel))
        STEPS[step](world)
        world.meddle(Meddling())
        assert world.batch["status"] == "cancelling"
        names = list(STEPS)
        if (following := names.index(step) + 1) < len(names):
            run_cancelled(world, names[following])
        check_cancelled(world, answered=step == "join")


def test_a_batch_that_is_cancelled_while_it_is_finished_has_one_end() -> None:
    for moment in range(1, moments("finish") + 1):
        world = before("finish")
        counts = world.join().counts()
        world.meddle(Meddling(moment, world.cancel))
        world.finish(None, counts)
        assert world.batch["status"] in {"completed", "cancelled"}
        assert [event["type"] for event in world.webhooks.events] == [f"batch.{world.batch['status']}"]


def run_cancelled(world: World, step: str) -> None:
    """Run the rest as the state machine does: the transform job only if it is asked for, and stopped."""
    names = list(STEPS)
    for name in names[names.index(step) :]:
        if name != "transform":
            STEPS[name](world)
        elif name != step:
            assert not world.prepare()


def check_cancelled(world: World, *, answered: bool) -> None:
    batch = world.batch
    assert batch["status"] == "cancelled"
    assert "open" not in batch
    output, errors = world.file("output"), world.file("error")
    assert batch["request_counts"] == {
        "total": len(output) + len(errors),
        "completed": len(output),
        "failed": len(errors),
    }
    if "shards" in batch:
        assert len(output) + len(errors) == 8
    else:
        assert output == errors == []
    assert bool(output) is answered
    assert ("output_file_id" in batch) is bool(output)
    assert ("error_file_id" in batch) is bool(errors)
    assert [event["type"] for event in world.webhooks.events] == ["batch.cancelled"]
