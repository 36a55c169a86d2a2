"""What answers requests for responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from starlette.requests import Request

    from orchestrator.chat import Chat
    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.responses.request import ResponsesRequest
    from orchestrator.telemetry import Record

IDEMPOTENCY_KEY = "idempotency-key"


class ResponseHandlers:
    """One method for each route. Background responses belong to the key that a request was made with."""

    def __init__(self, environment: Environment, chat: Chat, jobs: JobAdapters) -> None:
        self._deployed = bool(environment.async_endpoint_name)
        self._answering = Answering(chat)
        self._acceptance = Acceptance(environment, chat, jobs)
        self._stored = StoredResponses(jobs)

    async def create(self, request: Request) -> Response:
        async def work(body: bytes, record: Record) -> Response:
            parsed = parse_request(body)
            if parsed.background:
                return await self._accept(request, parsed, body, record)
            return await while_connected(request, self._answer(parsed, record))

        return await carry_out(request, work)

    async def retrieve(self, request: Request, response_id: str) -> Response:
        refuse_unknown(request.query_params, frozenset())
        return json_response(await self._stored.get(self._owner(request), response_id))

    async def cancel(self, request: Request, response_id: str) -> Response:
        async def work(_: bytes, record: Record) -> Response:
            return json_response(await self._stored.cancel(self._owner(request), response_id, record))

        return await carry_out(request, work)

    async def delete(self, request: Request, response_id: str) -> Response:
        async def work(_: bytes, record: Record) -> Response:
            return json_response(await self._stored.delete(self._owner(request), response_id, record))

        return await carry_out(request, work)

    async def _accept(
        self, request: Request, parsed: ResponsesRequest, body: bytes, record: Record
    ) -> Response:
        record.background = True
        key = request.headers.get(IDEMPOTENCY_KEY) or None
        accepted = await self._acceptance.create(Asked(self._owner(request), parsed, body, key, record))
        return json_response(await self._stored.view(accepted))

    async def _answer(self, parsed: ResponsesRequest, record: Record) -> Response:
        if parsed.stream:
            return await self._answering.stream(parsed, record)
        return json_response(await self._answering.respond(parsed, record))

    def _owner(self, request: Request) -> str:
        if not self._deployed:
            raise NotDeployedError("Background responses", "asynchronous")
        return owner(request.headers)
