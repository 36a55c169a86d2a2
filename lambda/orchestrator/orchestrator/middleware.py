"""What every request gets: an id, a record, and one line in the log."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from orchestrator.telemetry import Record

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from orchestrator.telemetry import Telemetry
    from orchestrator.tracing import Tracing

REQUEST_ID = "x-request-id"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")


class RequestRecords:
    """ASGI middleware; handlers find the record in `request.state.record`."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, tracing: Tracing) -> None:
        self._app = app
        self._telemetry = telemetry
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        record = Record(_request_id(headers), scope["method"], scope["path"])
        scope.setdefault("state", {})["record"] = record

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = record.request_id
                record.response_started(message["status"])
            await send(message)

        self._tracing.start(headers)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            record.total_ms = record.elapsed_ms()
            self._telemetry.request_ended(record)


def _request_id(headers: Headers) -> str:
    """The client's own id where it is harmless in a log, else a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if _ACCEPTED_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
