"""The routes of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.handling import carry_out, while_connected
from orchestrator.jobs.errors import NotDeployedError
from orchestrator.jobs.listing import refuse_unknown
from orchestrator.jobs.owner import owner
from orchestrator.replies import json_response
from orchestrator.responses.answering import Answering
from orchestrator.responses.background import Acceptance, Asked
from orchestrator.responses.parsing import parse_request
from orchestrator.responses.stored import StoredResponses

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from orchestrator.chat import Chat
    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.responses.request import ResponsesRequest
    from orchestrator.telemetry import Record

IDEMPOTENCY_KEY = "idempotency-key"


def add_routes(app: FastAPI, environment: Environment, chat: Chat, jobs: JobAdapters) -> None:
    stored = StoredResponses(jobs)

    def owner_of(request: Request) -> str:
        if not environment.async_endpoint_name:
            raise NotDeployedError("Background responses", "asynchronous")
        return owner(request.headers)

    _add_creation(app, Answering(chat), Acceptance(environment, chat, jobs), stored, owner_of)
    _add_the_rest(app, stored, owner_of)


def _add_creation(
    app: FastAPI,
    answering: Answering,
    acceptance: Acceptance,
    stored: StoredResponses,
    owner_of: Callable[[Request], str],
) -> None:
    async def answer(request: ResponsesRequest, record: Record) -> Response:
        if request.stream:
            return await answering.stream(request, record)
        return json_response(await answering.respond(request, record))

    @app.post("/v1/responses")
    async def create_response(request: Request) -> Response:
        async def create(body: bytes, record: Record) -> Response:
            parsed = parse_request(body)
            if not parsed.background:
                return await while_connected(request, answer(parsed, record))
            record.background = True
            key = request.headers.get(IDEMPOTENCY_KEY) or None
            accepted = await acceptance.create(Asked(owner_of(request), parsed, body, key, record))
            return json_response(await stored.view(accepted))

        return await carry_out(request, create)


def _add_the_rest(app: FastAPI, stored: StoredResponses, owner_of: Callable[[Request], str]) -> None:
    @app.get("/v1/responses/{response_id}")
    async def retrieve_response(request: Request, response_id: str) -> Response:
        refuse_unknown(request.query_params, frozenset())
        return json_response(await stored.get(owner_of(request), response_id))

    @app.post("/v1/responses/{response_id}/cancel")
    async def cancel_response(request: Request, response_id: str) -> Response:
        async def cancel(_: bytes, record: Record) -> Response:
            return json_response(await stored.cancel(owner_of(request), response_id, record))

        return await carry_out(request, cancel)

    @app.delete("/v1/responses/{response_id}")
    async def delete_response(request: Request, response_id: str) -> Response:
        return json_response(await stored.delete(owner_of(request), response_id))
