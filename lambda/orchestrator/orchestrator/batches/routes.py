"""The routes of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.batches.batches import Batches, batch_object
from orchestrator.files.files import Files
from orchestrator.handling import carry_out
from orchestrator.jobs.errors import NotDeployedError
from orchestrator.jobs.listing import parse_listing, refuse_unknown
from orchestrator.jobs.owner import owner
from orchestrator.replies import json_response

if TYPE_CHECKING:
    from fastapi import FastAPI

    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.telemetry import Record

DEFAULT_LISTED = 20
MAX_LISTED = 100


def add_routes(app: FastAPI, environment: Environment, adapters: JobAdapters) -> None:
    files = Files(adapters.table, adapters.objects, retention_days=environment.job_retention_days or 0)
    batches = Batches(environment, adapters, files)

    def owner_of(request: Request) -> str:
        if not environment.batch_state_machine_arn:
            raise NotDeployedError("Batches", "batch")
        return owner(request.headers)

    @app.post("/v1/batches")
    async def create_batch(request: Request) -> Response:
        async def create(body: bytes, record: Record) -> Response:
            key = request.headers.get("idempotency-key")
            return json_response(batch_object(await batches.create(owner_of(request), body, key, record)))

        return await carry_out(request, create)

    @app.get("/v1/batches")
    async def list_batches(request: Request) -> Response:
        who = owner_of(request)
        refuse_unknown(request.query_params, frozenset({"after", "limit"}))
        listing = parse_listing(request.query_params, "batch_", default=DEFAULT_LISTED, most=MAX_LISTED)
        return json_response(await batches.page(who, listing))

    @app.get("/v1/batches/{batch_id}")
    async def retrieve_batch(request: Request, batch_id: str) -> Response:
        return json_response(batch_object(await batches.get(owner_of(request), batch_id)))

    @app.post("/v1/batches/{batch_id}/cancel")
    async def cancel_batch(request: Request, batch_id: str) -> Response:
        async def cancel(_: bytes, record: Record) -> Response:
            return json_response(batch_object(await batches.cancel(owner_of(request), batch_id, record)))

        return await carry_out(request, cancel)
