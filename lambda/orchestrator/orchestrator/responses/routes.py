"""The routes of responses. What answers them is loaded beside the start, or for the first request."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from fastapi import FastAPI

    from orchestrator.chat import Chat
    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.responses.handlers import ResponseHandlers


def add_routes(app: FastAPI, environment: Environment, chat: Chat, jobs: JobAdapters) -> None:
    @cache
    def handlers() -> ResponseHandlers:
        from orchestrator.responses.handlers import ResponseHandlers

        return ResponseHandlers(environment, chat, jobs)

    @app.post("/v1/responses")
    async def create_response(request: Request) -> Response:
        return await handlers().create(request)

    @app.get("/v1/responses/{response_id}")
    async def retrieve_response(request: Request, response_id: str) -> Response:
        return await handlers().retrieve(request, response_id)

    @app.post("/v1/responses/{response_id}/cancel")
    async def cancel_response(request: Request, response_id: str) -> Response:
        return await handlers().cancel(request, response_id)

    @app.delete("/v1/responses/{response_id}")
    async def delete_response(request: Request, response_id: str) -> Response:
        return await handlers().delete(request, response_id)
