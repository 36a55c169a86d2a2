"""One invocation: through faults, a copy's queue, the model, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import TracebackType

from twin.local.services.errors import ServiceError
from twin.local.services.models import ModelReply, ModelStreamBrokenError
from twin.local.services.runtime import errors
from twin.local.services.runtime.eventstream import payload_part, stream_exception
from twin.local.services.runtime.faults import Fault
from twin.local.services.runtime.payload_split import PayloadSplitter
from twin.local.services.runtime.state import RuntimeState, Target


class ConnectionCutError(Exception):
    """A fault orders the connection closed."""


class AnswerLostError(Exception):
    """A fault orders the connection closed before a word of the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response of the container."""

    content_type: str
    variant: str
    body: bytes


class Invocation(AbstractAsyncContextManager["Invocation"]):
    """Holds a copy's slot from the first byte to the last."""

    def __init__(self, state: RuntimeState, target: Target, body: bytes) -> None:
        self._state = state
        self._target = target
        self._body = body
        self._fault = state.faults.take(target.endpoint)
        self._slot = AsyncExitStack()

    async def __aenter__(self) -> Invocation:
        self._raise_fault()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._slot.aclose()

    @property
    def variant(self) -> str:
        return self._target.variant

    def _raise_fault(self) -> None:
        kind = self._fault.kind if self._fault else ""
        if kind in errors.SERVICE_ERRORS:
            raise errors.SERVICE_ERRORS[kind]()
        if kind == "not_ready":
            raise errors.not_ready("The model is not ready for inference yet")
        if self._fault and kind == "model_error":
            raise self._model_error(self._fault.status, self._fault.message)

    def _model_error(self, status: int, message: str) -> ServiceError:
        identity = self._state.sagemaker.identity
        return errors.model_error(identity, self._target.endpoint, status, message)

    async def _start(self) -> ModelReply:
        """Wait for a slot and call the container; a container's error becomes `ModelError`."""
        await self._slot.enter_async_context(self._target.pool.slot())
        if self._fault and self._fault.kind == "stall":
            await asyncio.sleep(self._fault.seconds)
        reply = await self._state.backend.invoke(self._body, self._target.container)
        if reply.status >= 400:
            text = b"".join([chunk async for chunk in reply.body]).decode("utf-8", "replace")
            raise self._model_error(reply.status, text)
        return reply

    async def whole(self) -> Answer:
        """The whole answer, within the limit for answers that are not streamed."""
        try:
            async with asyncio.timeout(self._state.options.unstreamed_limit_seconds):
                reply = await self._start()
                body = b"".join([chunk async for chunk in reply.body])
        except TimeoutError:
            raise self._model_error(0, errors.TIMED_OUT) from None
        except ModelStreamBrokenError as error:
            raise self._model_error(500, str(error)) from None
        return Answer(reply.content_type, self.variant, body)

    async def begin_stream(self) -> ModelReply:
        """The reply whose body `events` turns into a stream."""
        try:
            async with asyncio.timeout(self._state.options.stream_limit_seconds):
                return await self._start()
        except TimeoutError:
            raise self._model_error(0, errors.TIMED_OUT) from None

    async def events(self, reply: ModelReply) -> AsyncGenerator[bytes]:
        """The encoded events of a response stream; `ConnectionCutError` where a fault says so."""
        sent = 0
        try:
            async with asyncio.timeout(self._state.options.stream_limit_seconds):
                async for part in self._parts(reply):
                    broken = await self._interrupt(sent)
                    if broken is not None:
                        yield broken
                        return
                    yield payload_part(part)
                    sent += 1
        except TimeoutError:
            fields = {"Message": "The model took too long", "ErrorCode": "ModelInvocationTimeExceeded"}
            yield stream_exception("ModelStreamError", fields)
        except ModelStreamBrokenError as error:
            yield stream_exception("ModelStreamError", {"Message": str(error), "ErrorCode": "StreamBroken"})

    async def _parts(self, reply: ModelReply) -> AsyncIterator[bytes]:
        splitter = PayloadSplitter(self._state.options.payload_split)
        async for chunk in reply.body:
            for part in splitter.feed(chunk):
                yield part
        for part in splitter.rest():
            yield part

    async def _interrupt(self, sent: int) -> bytes | None:
        """Carry out a fault that is due after `sent` events."""
        fault = self._fault
        if fault is None or sent != fault.after_parts:
            return None
        if fault.kind == "stall_stream":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "disconnect_stream":
            raise ConnectionCutError
        return _exception(fault) if fault.kind == "break_stream" else None


def _exception(fault: Fault) -> bytes:
    fields = {"Message": fault.message}
    if fault.error == "ModelStreamError":
        fields["ErrorCode"] = fault.error_code
    return stream_exception(fault.error, fields)
