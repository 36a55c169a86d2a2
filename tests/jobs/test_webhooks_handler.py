"""The handler of webhooks: events in, undelivered ones out, and what is logged and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType

import pytest
from jobs.environment import Webhook
from jobtable import events

from tests.jobs import variables
from tests.jobs.conftest import Load
from tests.jobs.fakes import FakeSecrets
from tests.jobs.lambda_events import DIMENSIONS, NONE, Context, counted, messages
from tests.jobs.receivers import Receiver, receiver
from tests.redelivery.fakes import FakeDeliveries

SECRET = "a secret that nobody guesses"


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


@pytest.fixture
def webhooks(
    load: Load, server: Receiver, deliveries: FakeDeliveries, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    configured = json.dumps({"app": {"url": f"{server.url}/hook", "secret_id": "hook"}})
    module = load("jobs.webhooks", {**variables.WEBHOOKS, "WEBHOOKS": configured})
    monkeypatch.setattr(module, "secrets", lambda: FakeSecrets(hook=SECRET))
    monkeypatch.setattr(module, "deliveries", lambda: deliveries)
    return module


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
