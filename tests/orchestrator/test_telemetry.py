"""What is logged and counted, and what is not."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from orchestrator.errors import NoCapacityError, RetrievalUnavailableError, ThrottledError
from orchestrator.telemetry import PowertoolsTelemetry, Record

from tests.orchestrator.fakes import environment

SERVICES = count()


@pytest.fixture
def record() -> Record:
    one = Record("req_1", "POST", "/v1/chat/completions")
    one.response_started(200)
    one.sources, one.grounded, one.streamed = 2, True, True
    one.retrieval_ms, one.ttft_ms, one.total_ms = 12.5, 80.0, 900.0
    one.count_usage({"prompt_tokens": 7, "completion_tokens": 3})
    return one


def own_service() -> dict[str, str]:
    """A name not used before: Powertools keeps the output of the first logger of a name."""
    return {"POWERTOOLS_SERVICE_NAME": f"orchestrator-{next(SERVICES)}"}


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def ended(record: Record, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    PowertoolsTelemetry(environment(**own_service())).request_ended(record)
    return lines(capsys.readouterr().out)


def test_a_request_is_one_line_of_json(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    log, _ = ended(record, capsys)
    assert (log["level"], log["message"]) == ("INFO", "request")
    assert log["service"].startswith("orchestrator-")
    given = {
        "request_id": "req_1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "outcome": "ok",
        "streamed": True,
        "grounded": True,
        "sources": 2,
        "retrieval_ms": 12.5,
        "ttft_ms": 80.0,
        "total_ms": 900.0,
        "prompt_tokens": 7,
        "completion_tokens": 3,
    }
    assert {name: log.get(name) for name in given} == given
    assert "started" not in log
    assert "error" not in log


def test_a_completion_is_counted(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    _, metrics = ended(record, capsys)
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "LlmTwin"
    assert sorted(directive["Dimensions"][0]) == ["environment", "outcome", "service"]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "Requests": "Count",
        "TotalTime": "Milliseconds",
        "TimeToFirstToken": "Milliseconds",
        "RetrievalTime": "Milliseconds",
        "PromptTokens": "Count",
        "CompletionTokens": "Count",
    }
    assert (metrics["environment"], metrics["outcome"]) == ("test", "ok")
    assert (metrics["TimeToFirstToken"], metrics["CompletionTokens"]) == ([80.0], [3.0])
    assert metrics["request_id"] == "req_1"


def test_an_accepted_background_response_is_counted_apart(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its time is not that of an answer, and would hide how long those take."""
    record.path, record.background = "/v1/responses", True
    log, metrics = ended(record, capsys)
    assert log["background"] is True
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "BackgroundRequests": "Count",
        "AcceptTime": "Milliseconds",
    }


def test_a_failure_is_a_warning_with_its_cause(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    failure = NoCapacityError()
    failure.__cause__ = ValueError("no capacity at arn:x")
    record.fail(failure)
    log, metrics = ended(record, capsys)
    assert (log["level"], log["status"], log["outcome"]) == ("WARNING", 503, "no_capacity")
    assert log["error"] == "ValueError: no capacity at arn:x"
    assert metrics["outcome"] == "no_capacity"


def test_an_answer_for_want_of_sources_is_a_warning(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record.note(RetrievalUnavailableError())
    log, metrics = ended(record, capsys)
    assert (log["level"], log["status"], log["outcome"]) == ("WARNING", 200, "ok")
    assert log["error"].startswith("RetrievalUnavailableError: ")
    assert metrics["outcome"] == "ok"


def test_a_clients_failure_is_no_warning(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    record.fail(ThrottledError())
    log, _ = ended(record, capsys)
    assert (log["level"], log["status"]) == ("INFO", 429)


def test_other_requests_are_not_counted(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    record.path = "/v1/models"
    assert len(ended(record, capsys)) == 1
    record.path = "/health"
    assert ended(record, capsys) == []


@pytest.mark.parametrize(("allowed", "logged"), [("false", 0), ("true", 1)])
def test_content_is_logged_where_it_is_allowed(
    allowed: str, logged: int, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = PowertoolsTelemetry(environment(LOG_CONTENT=allowed, **own_service()))
    telemetry.content("req_1", question="What are copies?")
    logs = lines(capsys.readouterr().out)
    assert len(logs) == logged
    for log in logs:
        assert (log["request_id"], log["question"]) == ("req_1", "What are copies?")
