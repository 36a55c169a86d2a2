"""Answering requests for batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobtable import ids

from orchestrator.batches.batches import Batches, batch_object
from orchestrator.files.files import Files
from orchestrator.handling import carry_out
from orchestrator.jobs.errors import NotDeployedError
from orchestrator.jobs.listing import parse_listing, refuse_unknown
from orchestrator.jobs.owner import owner
from orchestrator.replies import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.telemetry import Record

DEFAULT_LISTED = 20
MAX_LISTED = 100


class BatchHandlers:
    """One method for each route."""

    def __init__(self, environment: Environment, adapters: JobAdapters) -> None:
        self._deployed = bool(environment.batch_state_machine_arn)
        files = Files(adapters.table, adapters.objects, retention_days=environment.job_retention_days or 0)
        self._batches = Batches(environment, adapters, files)

    async def create(self, request: Request) -> Response:
        async def create(body: bytes, record: Record) -> Response:
            key = request.headers.get("idempotency-key")
            made = await self._batches.create(self._owner(request), body, key, record)
            return json_response(batch_object(made))

        return await carry_out(request, create)

    async def page(self, request: Request) -> Response:
        who = self._owner(request)
        refuse_unknown(request.query_params, frozenset({"after", "limit"}))
        listing = parse_listing(request.query_params, ids.BATCH, default=DEFAULT_LISTED, most=MAX_LISTED)
        return json_response(await self._batches.page(who, listing))

    async def retrieve(self, request: Request, batch_id: str) -> Response:
        return json_response(batch_object(await self._batches.get(self._owner(request), batch_id)))

    async def cancel(self, request: Request, batch_id: str) -> Response:
        async def cancel(_: bytes, record: Record) -> Response:
            cancelled = await self._batches.cancel(self._owner(request), batch_id, record)
            return json_response(batch_object(cancelled))

        return await carry_out(request, cancel)

    def _owner(self, request: Request) -> str:
        if not self._deployed:
            raise NotDeployedError("Batches", "batch")
        return owner(request.headers)
