"""The model behind its SageMaker endpoint, as chat-completion bodies in and chunks out."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator import sse
from orchestrator.aws.client import AwsClient, AwsConnectionError, AwsError
from orchestrator.errors import ModelFailedError, StreamBrokenError
from orchestrator.model_errors import from_connection_error, from_endpoint_error, from_stream_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping


class Model(Protocol):
    """What the service needs of a model. Both methods raise `ApiError` and its subclasses alone."""

    async def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the chat completion that answers `body`."""
        ...

    def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the chunks of the answer; returning means that the model said it was complete.

        Closing the generator early tells the model to stop.
        """
        ...


class SageMakerModel:
    """Calls an inference component; one call is one generation, it is never repeated."""

    def __init__(self, client: AwsClient, *, endpoint_name: str, inference_component_name: str) -> None:
        self._client = client
        self._path = f"/endpoints/{endpoint_name}"
        self._headers = {"x-amzn-sagemaker-inference-component": inference_component_name}

    async def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            async with self._client.post(f"{self._path}/invocations", body, self._headers) as response:
                content = await response.aread()
        except AwsError as error:
            raise from_endpoint_error(error) from error
        except AwsConnectionError as error:
            raise from_connection_error(error, lost=ModelFailedError) from error
        return _json_object(content, ModelFailedError)

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        path = f"{self._path}/invocations-response-stream"
        try:
            async with (
                self._client.post(path, body, self._headers) as response,
                aclosing(decode_payloads(response.aiter_stream())) as payloads,
            ):
                parser = sse.SseParser()
                async for payload in payloads:
                    for data in parser.feed(payload):
                        if data == sse.DONE:
                            return
                        yield _chunk(data)
        except AwsError as error:
            raise from_endpoint_error(error) from error
        except AwsConnectionError as error:
            raise from_connection_error(error, lost=StreamBrokenError) from error
        raise StreamBrokenError


async def decode_payloads(content: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Decode SageMaker's binary event stream into the bytes that the container wrote."""
    from botocore.eventstream import EventStreamBuffer, ParserError

    buffer = EventStreamBuffer()
    async for data in content:
        buffer.add_data(data)
        try:
            for message in buffer:
                headers: Mapping[str, Any] = message.headers  # type: ignore[assignment]  # the stubs say int
                if headers.get(":message-type") != "event":
                    raise from_stream_error(message.payload)
                if headers.get(":event-type") == "PayloadPart":
                    yield message.payload
        except ParserError as error:
            raise StreamBrokenError from error


def _chunk(data: str) -> dict[str, Any]:
    """A chunk of the answer. vLLM reports a failure during the answer as a chunk with `error`."""
    chunk = _json_object(data, StreamBrokenError)
    if "error" in chunk:
        raise StreamBrokenError
    return chunk


def _json_object(content: str | bytes, failure: type[ModelFailedError]) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise failure from error
    if not isinstance(value, dict):
        raise failure
    return value
