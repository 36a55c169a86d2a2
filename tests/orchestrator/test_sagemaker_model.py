"""The endpoint's wire: inference component, event stream in any chunking, every failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator import errors
from orchestrator.aws.client import AwsConnectionError, AwsError
from orchestrator.model import decode_payloads
from orchestrator.model_errors import from_connection_error, from_endpoint_error
from prompting.errors import ApiError, ContextLengthError, InvalidRequestError

from tests.orchestrator.aws_stub import (
    AwsStub,
    Reply,
    exception,
    json_reply,
    message,
    payload_part,
    vllm_stream,
)
from tests.orchestrator.fakes import CHUNKS, COMPLETION
from tests.orchestrator.test_model_contract import BODY, collect, sagemaker_model

if TYPE_CHECKING:
    import httpcore

Aws = tuple[AwsStub, str]


@pytest.mark.anyio
async def test_the_component_is_named(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    stub.script(json_reply(COMPLETION), Reply([payload_part(vllm_stream(CHUNKS))]))
    await sagemaker_model(pool, url).complete(BODY)
    await collect(sagemaker_model(pool, url))
    whole, streamed = stub.calls
    assert whole.path == "/endpoints/realtime/invocations"
    assert streamed.path == "/endpoints/realtime/invocations-response-stream"
    for call in stub.calls:
        assert call.headers["x-amzn-sagemaker-inference-component"] == "component"


@given(
    edges=st.lists(st.integers(0, 2_000), max_size=30),
    cuts=st.lists(st.integers(0, 20_000), max_size=30),
)
def test_payload_boundaries_and_network_chunks_fall_anywhere(edges: list[int], cuts: list[int]) -> None:
    stream = vllm_stream(CHUNKS)
    wire = b"".join(map(payload_part, split(stream, edges)))
    assert b"".join(asyncio.run(decode(split(wire, cuts)))) == stream


def split(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


async def decode(chunks: list[bytes]) -> list[bytes]:
    async def content() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async with aclosing(decode_payloads(content())) as payloads:
        return [payload async for payload in payloads]


@pytest.mark.anyio
async def test_a_character_may_be_cut_in_two(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    parts = [payload_part(bytes([byte])) for byte in vllm_stream(CHUNKS)]
    stub.script(Reply(parts))
    assert await collect(sagemaker_model(pool, url)) == list(CHUNKS)


@pytest.mark.anyio
async def test_events_of_other_kinds_are_passed_over(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    other = message(b"{}", message_type="event", event_type="Heartbeat")
    stub.script(Reply([other, payload_part(vllm_stream(CHUNKS))]))
    assert await collect(sagemaker_model(pool, url)) == list(CHUNKS)


FIRST = payload_part(vllm_stream(CHUNKS[:1], done=False))
CORRUPT = bytearray(FIRST)
CORRUPT[20] ^= 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("parts", "failure"),
    [
        ([FIRST], errors.StreamBrokenError),
        ([FIRST, exception("ModelStreamError", ErrorCode="StreamBroken")], errors.StreamBrokenError),
        (
            [FIRST, exception("ModelStreamError", ErrorCode="ModelInvocationTimeExceeded")],
            errors.ModelTooSlowError,
        ),
        ([FIRST, exception("InternalStreamFailure", Message="x")], errors.StreamBrokenError),
        ([FIRST, message(b"not JSON", message_type="exception")], errors.StreamBrokenError),
        ([FIRST, bytes(CORRUPT)], errors.StreamBrokenError),
        ([FIRST, payload_part(b"data: {oops\n\n")], errors.StreamBrokenError),
        ([FIRST, payload_part(b'data: ["no object"]\n\n')], errors.StreamBrokenError),
        (
            [FIRST, payload_part(b'data: {"error":{"message":"CUDA"}}\n\ndata: [DONE]\n\n')],
            errors.StreamBrokenError,
        ),
    ],
)
async def test_a_stream_can_break_in_many_ways(
    pool: httpcore.AsyncConnectionPool, aws: Aws, parts: list[bytes], failure: type[ApiError]
) -> None:
    stub, url = aws
    stub.script(Reply(parts))
    with pytest.raises(ApiError) as caught:
        await collect(sagemaker_model(pool, url))
    assert type(caught.value) is failure
    assert len(stub.calls) == 1


@pytest.mark.anyio
async def test_a_cut_connection_breaks_the_stream(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    stub.script(Reply([FIRST], cut=True))
    with pytest.raises(errors.StreamBrokenError):
        await collect(sagemaker_model(pool, url))


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"<html>", b"[]"])
async def test_a_completion_must_be_an_object(
    pool: httpcore.AsyncConnectionPool, aws: Aws, content: bytes
) -> None:
    stub, url = aws
    stub.script(Reply([content]))
    with pytest.raises(errors.ModelFailedError):
        await sagemaker_model(pool, url).complete(BODY)


@pytest.mark.anyio
async def test_closing_the_stream_hangs_up(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    stub.script(Reply([FIRST, 30.0]))
    async with aclosing(sagemaker_model(pool, url).stream(BODY)) as chunks:
        await anext(chunks)
    assert await asyncio.to_thread(stub.disconnected.wait, 5)


def model_error(status: int, text: str = "", message_: str = "") -> AwsError:
    details = {"Message": message_, "OriginalStatusCode": status, "OriginalMessage": text}
    return AwsError("ModelError", 424, details)


TOO_LONG = (
    '{"error":{"message":"This model\'s maximum context length is 8192 tokens. However, you requested 9000'
    ' tokens in the messages, Please reduce their length.","type":"BadRequestError","code":400}}'
)
NO_CAPACITY = "Inference Component has no capacity to process this request. ARN arn:aws:sagemaker:x"
TIMED_OUT = "Your invocation timed out while waiting for a response from container primary. Review the logs."


@pytest.mark.parametrize(
    ("error", "failure", "code"),
    [
        (AwsError("ThrottlingException", 400, {}), errors.ThrottledError, "rate_limit_exceeded"),
        (AwsError("TooManyRequestsException", 429, {}), errors.ThrottledError, "rate_limit_exceeded"),
        (AwsError("ModelNotReadyException", 429, {}), errors.NoCapacityError, "no_capacity"),
        (AwsError("ValidationError", 400, {"Message": NO_CAPACITY}), errors.NoCapacityError, "no_capacity"),
        (
            AwsError("ValidationError", 400, {"Message": "Endpoint not found"}),
            errors.ModelUnavailableError,
            "model_unavailable",
        ),
        (AwsError("ServiceUnavailable", 503, {}), errors.ModelUnavailableError, "model_unavailable"),
        (AwsError("InternalFailure", 500, {}), errors.ModelFailedError, "model_error"),
        (AwsError("AccessDeniedException", 403, {}), errors.ModelUnavailableError, "model_unavailable"),
        (AwsError("InternalDependencyException", 530, {}), errors.ModelFailedError, "model_error"),
        (model_error(500), errors.ModelFailedError, "model_error"),
        (model_error(503, message_="The model said: no capacity"), errors.ModelFailedError, "model_error"),
        (model_error(404), errors.ModelFailedError, "model_error"),
        (model_error(500, TOO_LONG), errors.ModelFailedError, "model_error"),
        (model_error(400, TOO_LONG), ContextLengthError, "context_length_exceeded"),
        (model_error(400, "bad grammar"), InvalidRequestError, "model_refused_request"),
        (model_error(422, "bad grammar"), InvalidRequestError, "model_refused_request"),
        (model_error(429), errors.ThrottledError, "rate_limit_exceeded"),
        (model_error(504), errors.ModelTooSlowError, "model_timeout"),
        (model_error(0, message_=TIMED_OUT), errors.ModelTooSlowError, "model_timeout"),
    ],
)
def test_every_error_of_the_endpoint_has_a_meaning(
    error: AwsError, failure: type[ApiError], code: str
) -> None:
    meaning = from_endpoint_error(error)
    assert (type(meaning), meaning.code) == (failure, code)
    told = str(meaning.body()) + str(meaning.headers())
    assert not any(word in told for word in ("arn:", "Inference Component", "8192", "grammar", "container"))


@pytest.mark.parametrize(
    ("sent", "failure"), [(True, errors.ModelFailedError), (False, errors.ModelUnavailableError)]
)
def test_a_lost_connection_means_work_lost_or_none_begun(sent: bool, failure: type[ApiError]) -> None:
    error = AwsConnectionError(OSError("x"), sent=sent)
    assert type(from_connection_error(error, lost=errors.ModelFailedError)) is failure


def test_what_is_safe_to_repeat_is_told_to_clients() -> None:
    retryable: dict[str, Any] = {
        kind.__name__: kind.retryable
        for kind in (
            errors.ThrottledError,
            errors.NoCapacityError,
            errors.ModelUnavailableError,
            errors.RetrievalUnavailableError,
            errors.ModelFailedError,
            errors.ModelTooSlowError,
            errors.StreamBrokenError,
            ContextLengthError,
        )
    }
    assert [name for name, value in retryable.items() if value] == [
        "ThrottledError",
        "NoCapacityError",
        "ModelUnavailableError",
        "RetrievalUnavailableError",
    ]
