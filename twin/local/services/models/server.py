"""A vLLM-like chat server around anything that turns messages into tokens."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from twin.local.services.models.base import Container, ModelReply
from twin.local.services.models.chat import (
    DONE,
    ChatError,
    ChatMessage,
    ChatRequest,
    Completion,
    StopFilter,
    Usage,
    parse_request,
)

DEFAULT_MAX_MODEL_LEN = 32_768


class ChatModel(Protocol):
    """The part that differs between models."""

    name: str

    def count(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the prompt that `messages` make."""

    def generate(self, messages: Sequence[ChatMessage], limit: int) -> AsyncIterator[str]:
        """At most `limit` tokens of the answer, as they become ready."""

    def ready_after(self, number: int) -> float:
        """Seconds from the start of an answer until its token `number` (from 0) may be told, at the earliest.

        A model that takes its time by itself says 0.
        """


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


class ChatServer:
    """Model backend for a `ChatModel`: limits, stop strings, streaming, usage."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    async def invoke(self, body: bytes, container: Container) -> ModelReply:
        try:
            request = parse_request(body)
            _check_model(request, container)
            prompt_tokens = self._model.count(request.messages)
            limit = _token_limit(request, prompt_tokens, container)
        except ChatError as error:
            return ModelReply(error.status, "application/json", _once(error.body()))
        answer = _Answer(self._model, request, prompt_tokens, limit)
        if request.stream:
            return ModelReply(200, "text/event-stream; charset=utf-8", answer.stream())
        return ModelReply(200, "application/json", answer.whole())

    async def close(self) -> None:
        return


class _Answer:
    def __init__(self, model: ChatModel, request: ChatRequest, prompt_tokens: int, limit: int) -> None:
        self._request = request
        self._tokens = model.generate(request.messages, limit)
        self._prompt_tokens = prompt_tokens
        self._limit = limit
        self._ready_after = model.ready_after
        self._count = 0
        self._finish_reason = "stop"
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._completion = Completion(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), model.name)

    @property
    def _usage(self) -> Usage:
        return Usage(self._prompt_tokens, self._count)

    async def _texts(self, *, paced: bool) -> AsyncIterator[str]:
        """Text of each token, until the end, the limit or a stop string; if `paced`, at its time."""
        stop = StopFilter(self._request.stop)
        async for token in self._tokens:
            self._count += 1
            if paced:
                await self._last_is_due()
            yield stop.feed(token)
            if stop.stopped:
                return
        if self._count == self._limit:
            self._finish_reason = "length"
        rest = stop.rest()
        if rest:
            yield rest

    async def _last_is_due(self) -> None:
        """Wait for the time of the token that came last. Late ones catch up: timers' errors don't add up."""
        due = self._start + (self._ready_after(self._count - 1) if self._count else 0)
        await asyncio.sleep(max(0.0, due - self._clock()))

    async def whole(self) -> AsyncIterator[bytes]:
        """The body, at the time of the last token: one wait costs less than one for each."""
        text = "".join([part async for part in self._texts(paced=False)])
        await self._last_is_due()
        yield self._completion.whole(text, self._finish_reason, self._usage)

    async def stream(self) -> AsyncIterator[bytes]:
        first = True
        async for text in self._texts(paced=True):
            if first:
                yield self._completion.delta({"role": "assistant", "content": ""})
                first = False
            if text:
                yield self._completion.delta({"content": text})
        yield self._completion.delta({"content": ""}, self._finish_reason)
        if self._request.include_usage:
            yield self._completion.usage(self._usage)
        yield DONE


def _check_model(request: ChatRequest, container: Container) -> None:
    served = container.served_names()
    if served and request.model and request.model not in served:
        raise ChatError(f"The model `{request.model}` does not exist.", 404, "model")


def _token_limit(request: ChatRequest, prompt_tokens: int, container: Container) -> int:
    """Most tokens the answer may have; `ChatError` 400 when prompt and answer can't fit the model."""
    longest = container.integer("SM_VLLM_MAX_MODEL_LEN", DEFAULT_MAX_MODEL_LEN)
    if prompt_tokens >= longest:
        raise ChatError(
            f"This model's maximum context length is {longest} tokens. However, your request has "
            f"{prompt_tokens} input tokens. Please reduce the length of the input messages.",
            param="input_tokens",
        )
    room = longest - prompt_tokens
    wanted = request.max_tokens
    if wanted is not None and wanted > room:
        raise ChatError(
            f"'max_tokens' or 'max_completion_tokens' is too large: {wanted}. This model's maximum context "
            f"length is {longest} tokens and your request has {prompt_tokens} input tokens "
            f"({wanted} > {longest} - {prompt_tokens}).",
            param="max_tokens",
        )
    return room if wanted is None else wanted
