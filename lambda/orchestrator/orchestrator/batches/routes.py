"""The routes of batches. What answers them is loaded for the first request that needs it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from fastapi import FastAPI

    from orchestrator.batches.handlers import BatchHandlers
    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters


def add_routes(app: FastAPI, environment: Environment, adapters: JobAdapters) -> None:
    @cache
    def handlers() -> BatchHandlers:
        from orchestrator.batches.handlers import BatchHandlers

        return BatchHandlers(environment, adapters)

    @app.post("/v1/batches")
    async def create_batch(request: Request) -> Response:
        return await handlers().create(request)

    @app.get("/v1/batches")
    async def list_batches(request: Request) -> Response:
        return await handlers().page(request)

    @app.get("/v1/batches/{batch_id}")
    async def retrieve_batch(request: Request, batch_id: str) -> Response:
        return await handlers().retrieve(request, batch_id)

    @app.post("/v1/batches/{batch_id}/cancel")
    async def cancel_batch(request: Request, batch_id: str) -> Response:
        return await handlers().cancel(request, batch_id)
