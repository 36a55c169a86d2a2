"""The handler of outcomes: notifications in, failed messages out, and what is logged and counted."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest

from tests.jobs import variables
from tests.jobs.conftest import Load
from tests.jobs.lambda_events import DIMENSIONS, NONE, Context, counted, messages
from tests.jobs.simulation import ENDS, KINDS, OWNER, Simulation
from tests.redelivery.fakes import FakeDeliveries


@pytest.fixture
def outcomes(
    load: Load, world: Simulation, deliveries: FakeDeliveries, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    module = load("jobs.outcomes", variables.OUTCOMES)
    monkeypatch.setattr(module, "stores", world.stores)
    monkeypatch.setattr(module, "deliveries", lambda: deliveries)
    return module


def test_outcomes_are_settled_logged_and_counted(
    outcomes: ModuleType,
    world: Simulation,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    done, broken = world.submit("app"), world.submit()
    world.finish(done, "completed", copies=2)
    world.finish(broken, "failed")
    world.now += 30
    event = messages(*(message.body for message in world.queue))
    assert outcomes.handler(event, Context()) == NONE
    assert world.jobs.endings == [(done.job, "completed"), (broken.job, "failed")]
    logged = [(record.getMessage(), record.__dict__["status"]) for record in caplog.records]
    assert logged == [
        ("response settled", "completed"),
        ("response known", "completed"),
        ("response settled", "failed"),
    ]
    kind = {**DIMENSIONS, "kind": "response"}
    assert counted(capsys) == [
        ("JobsSettled", 1, {**kind, "status": "completed"}),
        ("JobAgeSeconds", 30, kind),
        ("JobsSettled", 1, {**kind, "status": "failed"}),
        ("JobAgeSeconds", 30, kind),
    ]


def test_only_the_messages_that_failed_come_again(
    outcomes: ModuleType, world: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    early, done = world.submit(), world.submit()
    world.finish(early, "completed", readable=False)
    world.finish(done, "completed")
    bodies = ["nonsense", *(message.body for message in world.queue)]
    answer = outcomes.handler(messages(*bodies), Context())
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["message-0", "message-1"]
    assert world.jobs.endings == [(done.job, "completed")]
    failures = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.__dict__["message_id"] for record in failures] == ["message-0", "message-1"]


def test_a_message_that_failed_comes_again_within_seconds_and_then_later_and_later(
    outcomes: ModuleType, world: Simulation, deliveries: FakeDeliveries
) -> None:
    world.finish(world.submit(), "completed", readable=False)
    for receives in (1, 2, 9):
        outcomes.handler(messages(world.queue[0].body, receives=receives), Context())
    first, second, last = (seconds for _, seconds in deliveries.postponed)
    assert (3 <= first <= 7, 7 <= second <= 13, 450 <= last <= 600) == (True, True, True)


def test_when_every_message_failed_all_come_again(outcomes: ModuleType) -> None:
    answer = outcomes.handler(messages("nonsense"), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}


def test_a_missing_output_is_known_by_the_age_of_its_message(outcomes: ModuleType, world: Simulation) -> None:
    lost = world.submit()
    world.finish(lost, "missing")
    world.now += 29
    body = world.queue[0].body
    assert outcomes.handler(messages(body, sent_at=1_000), Context()) != NONE
    world.now += 1
    assert outcomes.handler(messages(body, sent_at=1_000), Context()) == NONE
    assert world.jobs.records[OWNER, lost.job]["error"]["code"] == "missing_output"


def test_a_thousand_jobs_through_the_handler_end_once_each(
    outcomes: ModuleType, world: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches of ten, twice and in any order, while the table refuses one change in ten."""
    chance = random.Random(11)
    expected = {}
    for number in range(1_000):
        invocation = world.submit("app")
        kind = KINDS[number % len(KINDS)]
        expected[invocation.job] = ENDS[kind][0]
        world.finish(invocation, kind, copies=2)
    end = world.jobs.end

    def unreliable(*arguments: Any, **named: Any) -> Any:
        if chance.random() < 0.1:
            raise ConnectionError("slow down")
        return end(*arguments, **named)

    monkeypatch.setattr(world.jobs, "end", unreliable)
    world.now += 61
    bodies = [message.body for message in world.queue]
    world.queue.clear()
    chance.shuffle(bodies)
    for _ in range(1_000):
        if not bodies:
            break
        batch, bodies = bodies[:10], bodies[10:]
        answer = outcomes.handler(messages(*batch), Context())
        for failure in answer["batchItemFailures"]:
            bodies.append(batch[int(failure["itemIdentifier"].removeprefix("message-"))])
    assert bodies == []
    assert len(world.jobs.endings) == 1_000
    assert dict(world.jobs.endings) == expected
    assert len(world.events.sent) == 1_000
    world.check()
