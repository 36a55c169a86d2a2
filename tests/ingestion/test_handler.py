"""The handler: messages in, failed ones out, and what is logged and counted."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from tests.ingestion.fakes import World
from tests.ingestion.test_events import notification
from tests.ingestion.variables import VARIABLES
from tests.redelivery.fakes import FakeDeliveries

SECRET = "the text of a document"


@dataclass
class Context:
    """What Lambda passes beside the event."""

    function_name: str = "ingestion"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:ingestion"
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def deliveries() -> FakeDeliveries:
    return FakeDeliveries()


@pytest.fixture
def module(
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    deliveries: FakeDeliveries,
    capsys: pytest.CaptureFixture[str],
) -> ModuleType:
    """The handler's module, on stores and an encoder in memory, logging to what `capsys` reads."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    module = importlib.reload(importlib.import_module("ingestion.handler"))
    monkeypatch.setattr(module, "stores", world.stores)
    monkeypatch.setattr(module, "encoder", lambda: world.encoder)
    monkeypatch.setattr(module, "deliveries", lambda: deliveries)
    return module


def event(*bodies: str, receives: int = 1) -> dict[str, Any]:
    arn = "arn:aws:sqs:us-east-1:000000000000:corpus-changes"
    records = [
        {
            "messageId": f"message-{number}",
            "receiptHandle": f"receipt-{number}",
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(receives)},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": "us-east-1",
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def test_objects_are_indexed_and_logged_without_their_text(
    module: ModuleType, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.corpus.put("a.md", SECRET)
    world.corpus.put("b.md", SECRET)
    answer = module.handler(event(notification("a.md"), notification("b.md", "gone.md")), Context())
    assert answer == {"batchItemFailures": []}
    assert world.vectors.texts() == [SECRET, SECRET]
    logged = [(record.__dict__["object_key"], record.getMessage()) for record in caplog.records]
    assert logged == [
        ("a.md", "object indexed"),
        ("b.md", "object indexed"),
        ("gone.md", "object unchanged"),
    ]
    assert not any(SECRET in str(record.__dict__) for record in caplog.records)


def test_work_is_counted(module: ModuleType, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.corpus.put("a.md", "Words.")
    world.corpus.put("b.md", b"\xff")
    module.handler(event(notification("a.md"), notification("b.md")), Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    names = ["DocumentsIndexed", "VectorsPut", "DocumentsRemoved", "DocumentsInError"]
    assert [sum(metrics[name]) for name in names] == [1, 1, 0, 1]
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "LlmTwin"


def test_only_the_failed_message_comes_again(
    module: ModuleType, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.corpus.put("good.md", "Words.")
    world.corpus.put("throttled.md", "Words.")
    put = world.vectors.put

    def throttle(records: Any) -> None:
        if records[0].metadata["source"] == "throttled.md":
            raise ConnectionError("slow down")
        put(records)

    monkeypatch.setattr(world.vectors, "put", throttle)
    answer = module.handler(event(notification("throttled.md"), notification("good.md")), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert [record.metadata["source"] for record in world.vectors.records.values()] == ["good.md"]
    (failure,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert failure.getMessage() == "message failed"
    assert failure.__dict__["message_id"] == "message-0"
    assert failure.exc_info is not None
    assert str(failure.exc_info[1]) == "slow down"


def test_a_failed_message_comes_again_soon(
    module: ModuleType, world: World, deliveries: FakeDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a document gives up after five minutes without progress."""
    world.corpus.put("a.md", "Words.")

    def throttle(_: Any) -> None:
        raise ConnectionError("slow down")

    monkeypatch.setattr(world.vectors, "put", throttle)
    for receives in (1, 3, 20):
        module.handler(event("{}", notification("a.md"), receives=receives), Context())
    pauses = [seconds for receipt, seconds in deliveries.postponed if receipt == "receipt-1"]
    first, third, last = pauses
    assert (7 <= first <= 13, 30 <= third <= 50, 180 <= last <= 240) == (True, True, True)


def test_a_message_that_is_no_event_fails_alone(module: ModuleType, world: World) -> None:
    world.corpus.put("a.md", "Words.")
    answer = module.handler(event("nonsense", notification("a.md")), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert len(world.vectors.records) == 1


def test_a_bad_document_is_not_a_failure(module: ModuleType, world: World) -> None:
    world.corpus.put("bad.md", b"\xff")
    assert module.handler(event(notification("bad.md")), Context()) == {"batchItemFailures": []}
    (message,) = world.dead_letters.messages
    assert message["object"] == "bad.md"


def test_duplicates_in_a_batch_are_indexed_once(module: ModuleType, world: World) -> None:
    world.corpus.put("a.md", "Words.")
    module.handler(event(notification("a.md"), notification("a.md")), Context())
    assert world.vectors.puts == 1


@pytest.mark.parametrize(("remaining_ms", "failed"), [(31_000, []), (29_000, ["message-0"])])
def test_work_that_would_outlast_the_invocation_comes_again(
    module: ModuleType,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    remaining_ms: int,
    failed: list[str],
) -> None:
    world.corpus.put("a.md", "Words.")
    monkeypatch.setattr(module.time, "time", lambda: 1_000.0)
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: remaining_ms)
    answer = module.handler(event(notification("a.md")), Context())
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == failed
    assert world.vectors.texts() == ([] if failed else ["Words."])
