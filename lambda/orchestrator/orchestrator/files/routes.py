"""The routes of files. What answers them is loaded for the first request that needs it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from fastapi import FastAPI

    from orchestrator.environment import Environment
    from orchestrator.files.handlers import FileHandlers
    from orchestrator.jobs.adapters import JobAdapters


def add_routes(app: FastAPI, environment: Environment, adapters: JobAdapters) -> None:
    @cache
    def handlers() -> FileHandlers:
        from orchestrator.files.handlers import FileHandlers

        return FileHandlers(environment, adapters)

    @app.post("/v1/files")
    async def create_file(request: Request) -> Response:
        return await handlers().create(request)

    @app.get("/v1/files")
    async def list_files(request: Request) -> Response:
        return await handlers().page(request)

    @app.get("/v1/files/{file_id}")
    async def retrieve_file(request: Request, file_id: str) -> Response:
        return await handlers().retrieve(request, file_id)

    @app.get("/v1/files/{file_id}/content")
    async def retrieve_file_content(request: Request, file_id: str) -> Response:
        return await handlers().content(request, file_id)

    @app.delete("/v1/files/{file_id}")
    async def delete_file(request: Request, file_id: str) -> Response:
        return await handlers().delete(request, file_id)
