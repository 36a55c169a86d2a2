"""Every failure as the client sees it: status, type, code, param, and whether to try again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from orchestrator import errors
from orchestrator.pacing import Pace
from prompting.errors import ApiError, ContextLengthError

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import CHUNKS, MODEL, FakeModel, Pause, delta
from tests.orchestrator.test_chat_completions import ABOUT_SOURCES, events

pytestmark = pytest.mark.anyio

FAILURES = [
    (
        ContextLengthError(),
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "messages",
        None,
        "The messages are longer than the model's context. Please shorten them.",
    ),
    (
        errors.ModelFailedError(),
        502,
        "server_error",
        "model_error",
        None,
        None,
        "The model failed while it worked on this request.",
    ),
    (
        errors.ThrottledError(),
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        None,
        "2",
        "The model is receiving more requests than it can take. Please try again shortly.",
    ),
    (
        errors.NoCapacityError(),
        503,
        "server_error",
        "no_capacity",
        None,
        "60",
        (
            "No copy of the model is running: it was scaled to zero while idle, or it is still starting. "
            "This request has asked for a copy; starting one usually takes 4 to 10 minutes. "
            "Please try again until then."
        ),
    ),
    (
        errors.ModelUnavailableError(),
        503,
        "server_error",
        "model_unavailable",
        None,
        "5",
        "The model's endpoint is not available. Please try again shortly.",
    ),
    (
        errors.ModelTooSlowError(),
        504,
        "server_error",
        "model_timeout",
        None,
        None,
        "The model did not answer in time.",
    ),
    (
        errors.StreamBrokenError(),
        502,
        "server_error",
        "stream_broken",
        None,
        None,
        "The model's answer broke off before it was complete.",
    ),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("failure", "status", "kind", "code", "param", "retry_after", "message"), FAILURES)
async def test_the_models_failure_before_its_first_token(
    harness: Harness,
    stream: bool,
    failure: ApiError,
    status: int,
    kind: str,
    code: str,
    param: str | None,
    retry_after: str | None,
    message: str,
) -> None:
    harness.model = FakeModel([failure])
    response = await harness.chat(stream=stream)
    assert response.status_code == status
    assert response.json() == {"error": {"message": message, "type": kind, "param": param, "code": code}}
    assert response.headers.get("retry-after") == retry_after
    assert response.headers["x-should-retry"] == ("true" if retry_after else "false")
    assert response.headers["x-request-id"]
    assert len(harness.model.bodies) == 1
    [record] = harness.telemetry.records
    assert (record.status, record.outcome) == (status, code)


@pytest.mark.parametrize(
    ("failure", "code"),
    [(errors.StreamBrokenError(), "stream_broken"), (errors.ModelTooSlowError("Too slow."), "model_timeout")],
)
async def test_a_failure_in_the_middle_is_an_event_and_the_end(
    harness: Harness, failure: ApiError, code: str
) -> None:
    harness.model = FakeModel([CHUNKS[0], failure])
    response = await harness.chat(stream=True)
    assert response.status_code == 200
    first, error = events(response.text)
    assert first == {**CHUNKS[0], **ABOUT_SOURCES}
    assert error == {
        "error": {"message": failure.message, "type": "server_error", "param": None, "code": code}
    }
    [record] = harness.telemetry.records
    assert record.outcome == code


async def test_a_stream_without_an_end_is_broken(harness: Harness) -> None:
    harness.model = FakeModel(CHUNKS, complete_script=False)
    *_, error = events((await harness.chat(stream=True)).text)
    assert error["error"]["code"] == "stream_broken"


async def test_a_stream_without_a_chunk_is_broken(harness: Harness) -> None:
    harness.model = FakeModel([])
    response = await harness.chat(stream=True)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "stream_broken")


@pytest.mark.parametrize(
    ("pace", "stream", "message"),
    [
        (Pace(0.02), False, "The model did not finish its answer within 0.02 s."),
        (Pace(9, first_token=0.02), True, "The model did not begin its answer within 0.02 s."),
    ],
)
async def test_a_model_that_is_too_slow_is_told_to_stop(
    harness: Harness, pace: Pace, stream: bool, message: str
) -> None:
    harness.model, harness.pace = FakeModel([Pause(30)]), pace
    response = await harness.chat(stream=stream)
    assert response.status_code == 504
    assert response.json()["error"]["message"] == message
    assert (len(harness.model.bodies), harness.model.closed) == (1, 1)


async def test_a_silence_in_the_middle_breaks_the_stream(harness: Harness) -> None:
    harness.model, harness.pace = FakeModel([delta("a"), Pause(30)]), Pace(9, between_tokens=0.02)
    *_, error = events((await harness.chat(stream=True)).text)
    assert error["error"]["message"] == "The model did not continue its answer within 0.02 s."
    assert harness.model.closed == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_sources_that_cannot_be_searched(harness: Harness, stream: bool) -> None:
    harness.retriever.failure = errors.RetrievalUnavailableError()
    response = await harness.chat(stream=stream)
    assert response.status_code == 503
    assert response.json()["error"] == {
        "message": "The sources cannot be searched at the moment. Please try again shortly.",
        "type": "server_error",
        "param": None,
        "code": "retrieval_unavailable",
    }
    assert response.headers["retry-after"] == "5"
    assert harness.model.bodies == []


async def test_an_unknown_model(harness: Harness) -> None:
    response = await harness.chat(model="gpt-9")
    assert response.status_code == 404
    assert response.json()["error"] == {
        "message": f"The model 'gpt-9' does not exist. Use '{MODEL}'.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


async def test_messages_that_are_too_long(harness: Harness) -> None:
    response = await harness.chat("word " * 5000)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["code"], error["param"]) == (
        "invalid_request_error",
        "context_length_exceeded",
        "messages",
    )
    assert harness.model.bodies == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large(harness: Harness, chunked: bool) -> None:
    body = b'{"model": "' + b"x" * 1_000_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    response = await harness.request("POST", "/v1/chat/completions", content=pieces() if chunked else body)
    assert response.status_code == 413
    assert response.json()["error"] == {
        "message": "The request's body is larger than 1,000,000 bytes.",
        "type": "invalid_request_error",
        "param": None,
        "code": "request_too_large",
    }


async def test_a_body_that_is_no_json(harness: Harness) -> None:
    response = await harness.request("POST", "/v1/chat/completions", content=b"{oops")
    assert response.status_code == 400
    assert response.json()["error"] == {
        "message": "The request's body is not valid JSON.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_json",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/nothing"),
        ("POST", "/v1/completions"),
        ("GET", "/docs"),
        ("GET", "/health/"),
    ],
)
async def test_an_unknown_url(harness: Harness, method: str, path: str) -> None:
    response = await harness.request(method, path)
    assert response.status_code == 404
    assert response.json()["error"] == {
        "message": f"Unknown request URL: {method} {path}.",
        "type": "invalid_request_error",
        "param": None,
        "code": "unknown_url",
    }
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/chat/completions", "POST"), ("POST", "/v1/models", "GET"), ("DELETE", "/health", "GET")],
)
async def test_a_method_that_is_not_allowed(harness: Harness, method: str, path: str, allowed: str) -> None:
    response = await harness.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert response.json()["error"] == {
        "message": f"Not allowed: {method} {path}.",
        "type": "invalid_request_error",
        "param": None,
        "code": "method_not_allowed",
    }


async def test_a_bug_tells_nothing(harness: Harness) -> None:
    harness.retriever.failure = KeyError("arn:aws:s3vectors:secret")
    response = await harness.request(
        "POST",
        "/v1/chat/completions",
        json={"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]},
        headers={"x-request-id": "req-00000001"},
    )
    assert response.status_code == 500
    assert response.json()["error"] == {
        "message": "The server had an error while processing the request req-00000001.",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
    assert response.headers["x-request-id"] == "req-00000001"
    assert response.headers["x-should-retry"] == "false"
    [record] = harness.telemetry.records
    assert (record.status, record.outcome) == (500, "internal_error")


async def test_a_bug_in_the_middle_of_a_stream_is_told_and_recorded(harness: Harness) -> None:
    harness.model = FakeModel([delta("a"), KeyError("arn:aws:secret")])
    response = await harness.chat(stream=True)
    *_, last = events(response.text)
    assert last == {
        "error": {
            "message": "The server had an error while processing the request.",
            "type": "server_error",
            "param": None,
            "code": "internal_error",
        }
    }
    [record] = harness.telemetry.records
    assert (record.status, record.outcome, record.error) == (
        500,
        "internal_error",
        "KeyError: 'arn:aws:secret'",
    )
    assert harness.model.closed == 1


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("script", [[Pause(30)], [delta("a"), Pause(30)]])
async def test_a_client_that_goes_away_ends_the_generation(
    harness: Harness, script: list[Any], stream: bool, route: str
) -> None:
    harness.model = FakeModel(script)
    harness.pace = Pace(total=60)
    sent = await go_away_after_start(harness, stream=stream, route=route)
    assert harness.model.closed == 1
    [record] = harness.telemetry.records
    assert record.outcome == "client_disconnected"
    started = [message["status"] for message in sent if message["type"] == "http.response.start"]
    assert started == ([200] if stream and len(script) > 1 else [499])


async def test_a_client_may_go_away_before_its_question_is_complete(harness: Harness) -> None:
    await go_away_after_start(harness, stream=False, complete=False)
    assert harness.model.bodies == []
    [record] = harness.telemetry.records
    assert (record.outcome, record.status, record.error) == ("client_disconnected", 499, None)


async def go_away_after_start(
    harness: Harness, *, stream: bool, complete: bool = True, route: str = "/v1/chat/completions"
) -> list[dict[str, Any]]:
    """Post a question over ASGI, and disconnect while the model is silent, or within the question."""
    fields = '{"model":"%s","%s":[{"role":"user","content":"Hi"}],"stream":%s}'
    conversation = "input" if route == "/v1/responses" else "messages"
    body = (fields % (MODEL, conversation, str(stream).lower())).encode()
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": body, "more_body": not complete})
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": route,
        "raw_path": route.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    request = asyncio.create_task(harness.app(scope, incoming.get, send))
    await asyncio.sleep(0.05)
    incoming.put_nowait({"type": "http.disconnect"})
    async with asyncio.timeout(5):
        await request
    return sent
