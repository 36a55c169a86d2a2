"""The three handlers: events in, failed messages out, and what is logged and counted."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest
from jobs.environment import Webhook
from jobtable import events
from jobtable.ids import digits

from tests.jobs import variables
from tests.jobs.fakes import FakeSecrets
from tests.jobs.lambda_events import Context, emitted, messages
from tests.jobs.receivers import Receiver, receiver
from tests.jobs.simulation import ENDS, KINDS, OWNER, TTL_SECONDS, Simulation
from tests.redelivery.fakes import FakeDeliveries

SECRET = "a secret that nobody guesses"
NONE: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture
def world() -> Simulation:
    return Simulation()


Load = Callable[[str, Mapping[str, str]], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, world: Simulation, capsys: pytest.CaptureFixture[str]) -> Load:
    """Load a handler's module, on stores in memory and the simulation's clock, logging to `capsys`."""

    def loaded(name: str, environment: Mapping[str, str]) -> ModuleType:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        module = importlib.reload(importlib.import_module(name))
        monkeypatch.setattr(module.time, "time", world.clock)
        return module

    return loaded


@pytest.fixture
def outcomes(
    load: Load, world: Simulation, deliveries: FakeDeliveries, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    module = load("jobs.outcomes", variables.OUTCOMES)
    monkeypatch.setattr(module, "stores", world.stores)
    monkeypatch.setattr(module, "deliveries", lambda: deliveries)
    return module


@pytest.fixture
def sweep(load: Load, world: Simulation, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("jobs.sweep", variables.SWEEP)
    monkeypatch.setattr(module, "stores", world.stores)
    monkeypatch.setattr(module, "executions", lambda: world.executions)
    monkeypatch.setattr(module, "transforms", lambda: world.transforms)
    return module


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


@pytest.fixture
def deliveries() -> FakeDeliveries:
    return FakeDeliveries()


@pytest.fixture
def webhooks(
    load: Load, server: Receiver, deliveries: FakeDeliveries, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    configured = json.dumps({"app": {"url": f"{server.url}/hook", "secret_id": "hook"}})
    module = load("jobs.webhooks", {**variables.WEBHOOKS, "WEBHOOKS": configured})
    monkeypatch.setattr(module, "secrets", lambda: FakeSecrets(hook=SECRET))
    monkeypatch.setattr(module, "deliveries", lambda: deliveries)
    return module


def counted(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, float, dict[str, str]]]:
    return emitted([json.loads(line) for line in capsys.readouterr().out.splitlines()])


DIMENSIONS = {"environment": "test", "service": "jobs"}


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


def event(client: str = "app") -> str:
    record = {
        "id": f"resp_{'1' * 32}",
        "status": "completed",
        "created_at": 900,
        "ended_at": 1_000,
        "client": client,
    }
    return json.dumps(events.ended(record))


def test_an_event_is_delivered_and_counted(
    webhooks: ModuleType,
    server: Receiver,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert webhooks.handler(messages(event()), Context()) == NONE
    ((path, headers, body),) = server.requests
    assert (path, headers["content-type"]) == ("/hook", "application/json")
    assert headers["webhook-timestamp"] == "1000"
    assert json.loads(body)["data"] == {"id": f"resp_{'1' * 32}"}
    assert [record.getMessage() for record in caplog.records] == ["event delivered"]
    assert counted(capsys) == [("WebhooksDelivered", 1, DIMENSIONS)]


def test_an_event_that_was_not_taken_comes_again_later_and_later(
    webhooks: ModuleType,
    server: Receiver,
    deliveries: FakeDeliveries,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.status = 500
    for receives in (1, 2, 9):
        answer = webhooks.handler(messages(event(), receives=receives), Context())
        assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert [receipt for receipt, _ in deliveries.postponed] == ["receipt-0"] * 3
    first, second, last = (seconds for _, seconds in deliveries.postponed)
    assert (11 <= first <= 19, 22 <= second <= 38, 2_700 <= last <= 3_600) == (True, True, True)
    assert counted(capsys) == [("WebhooksFailed", 1, DIMENSIONS)] * 3
    assert SECRET not in str([record.__dict__ for record in caplog.records])


def test_one_receiver_that_fails_holds_up_no_other(
    webhooks: ModuleType, server: Receiver, deliveries: FakeDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Webhook(url="http://127.0.0.1:1/", secret_id="no such secret")
    known = webhooks.environment.webhooks
    configured = webhooks.environment.model_copy(update={"webhooks": {**known, "bad": bad}})
    monkeypatch.setattr(webhooks, "environment", configured)
    answer = webhooks.handler(messages(event("bad"), event()), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert len(server.requests) == 1
    assert [receipt for receipt, _ in deliveries.postponed] == ["receipt-0"]


def test_a_message_that_cannot_be_postponed_comes_again_all_the_same(
    webhooks: ModuleType, server: Receiver, deliveries: FakeDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError("slow down")

    server.status = 500
    monkeypatch.setattr(deliveries, "postpone", refuse)
    answer = webhooks.handler(messages(event()), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}


def test_an_event_of_a_client_without_a_webhook_is_dropped(
    webhooks: ModuleType, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    assert webhooks.handler(messages(event("another")), Context()) == NONE
    assert server.requests == []
    assert [record.getMessage() for record in caplog.records] == ["event dropped: its client has no webhook"]


def test_no_delivery_is_begun_that_the_invocation_would_not_outlast(
    webhooks: ModuleType, server: Receiver, deliveries: FakeDeliveries
) -> None:
    answer = webhooks.handler(messages(event()), Context(remaining_ms=14_999))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert server.requests == []
    assert [receipt for receipt, _ in deliveries.postponed] == ["receipt-0"]
