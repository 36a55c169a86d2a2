"""The route of chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompting.parsing import parse_request
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.handling import answer
from orchestrator.replies import ChunkStream, json_response

if TYPE_CHECKING:
    from fastapi import FastAPI

    from orchestrator.chat import Chat
    from orchestrator.telemetry import Record


def add_routes(app: FastAPI, chat: Chat) -> None:
    async def complete(body: bytes, record: Record) -> Response:
        request = parse_request(body)
        if request.stream:
            return ChunkStream(await chat.stream(request, record), record)
        return json_response(await chat.complete(request, record))

    @app.post("/v1/chat/completions")
    async def create_chat_completion(request: Request) -> Response:
        return await answer(request, complete)
