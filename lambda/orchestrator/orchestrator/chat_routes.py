"""The route of chat completions."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from prompting.parsing import parse_request
from starlette.requests import Request
from starlette.responses import Response

from orchestrator import sse
from orchestrator.handling import answer
from orchestrator.replies import EventStream, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastapi import FastAPI
    from prompting.errors import ApiError

    from orchestrator.chat import Chat
    from orchestrator.telemetry import Record


def add_routes(app: FastAPI, chat: Chat) -> None:
    async def complete(body: bytes, record: Record) -> Response:
        request = parse_request(body)
        if request.stream:
            return EventStream(_events(await chat.stream(request, record)), record, _failure)
        return json_response(await chat.complete(request, record))

    @app.post("/v1/chat/completions")
    async def create_chat_completion(request: Request) -> Response:
        return await answer(request, complete)


async def _events(chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[bytes, None]:
    """Each chunk as an event, then `[DONE]`, which a stream that fails lacks."""
    async with aclosing(chunks):
        async for chunk in chunks:
            yield sse.event(chunk)
    yield sse.DONE_EVENT


def _failure(error: ApiError) -> bytes:
    return sse.event(error.body())
