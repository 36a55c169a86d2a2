"""Answering requests for files."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from jobtable import ids
from prompting.errors import InvalidRequestError
from prompting.parsing import load_object
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from orchestrator.bodies import read_body
from orchestrator.files.files import CONTENT_TYPE, Files, file_object
from orchestrator.files.multipart import drained, read_form
from orchestrator.files.requests import parse_announcement, parse_purpose
from orchestrator.jobs.errors import NotDeployedError
from orchestrator.jobs.listing import parse_listing, refuse_unknown
from orchestrator.jobs.owner import owner
from orchestrator.replies import CLIENT_CLOSED_REQUEST, PartStream, json_response
from orchestrator.telemetry import CLIENT_DISCONNECTED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.telemetry import Record

MAX_LISTED = 10_000


class FileHandlers:
    """One method for each route."""

    def __init__(self, environment: Environment, adapters: JobAdapters) -> None:
        self._deployed = bool(environment.batch_state_machine_arn)
        self._files = Files(
            adapters.table, adapters.objects, retention_days=environment.job_retention_days or 0
        )

    async def create(self, request: Request) -> Response:
        try:
            return await self._create(request)
        except ClientDisconnect:
            request.state.record.outcome = CLIENT_DISCONNECTED
            return Response(status_code=CLIENT_CLOSED_REQUEST)

    async def page(self, request: Request) -> Response:
        who = self._owner(request)
        query = request.query_params
        refuse_unknown(query, frozenset({"after", "limit", "order", "purpose"}))
        listing = parse_listing(query, ids.FILE, default=MAX_LISTED, most=MAX_LISTED, ordered=True)
        return json_response(await self._files.page(who, listing, parse_purpose(query)))

    async def retrieve(self, request: Request, file_id: str) -> Response:
        return json_response(file_object(await self._files.get(self._owner(request), file_id)))

    async def content(self, request: Request, file_id: str) -> Response:
        record = await self._files.get(self._owner(request), file_id)
        content = await self._files.content(record)
        if isinstance(content, str):
            return Response(status_code=302, headers={"location": content})
        return ContentStream(record["filename"], content, request.state.record)

    async def delete(self, request: Request, file_id: str) -> Response:
        return json_response(await self._files.delete(self._owner(request), file_id))

    def _owner(self, request: Request) -> str:
        if not self._deployed:
            raise NotDeployedError("Files for batches", "batch")
        return owner(request.headers)

    async def _create(self, request: Request) -> Response:
        body = request.stream()
        content_type = request.headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        async with drained(body):
            who = self._owner(request)
            if media_type == "multipart/form-data":
                return json_response(await self._files.create(who, await read_form(content_type, body)))
            if media_type == "application/json":
                announcement = parse_announcement(load_object(await read_body(body)))
                return json_response(await self._files.announce(who, announcement))
            message = (
                "Unsupported content type: send the file as multipart/form-data, "
                "or announce its upload as application/json."
            )
            raise InvalidRequestError(message, code="invalid_content_type")


class ContentStream(PartStream):
    """A file's content."""

    media_type = CONTENT_TYPE

    def __init__(self, filename: str, parts: AsyncGenerator[bytes, None], record: Record) -> None:
        disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        super().__init__(parts, record, {"content-disposition": disposition})
