"""Responses in OpenAI's shapes."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from prompting.errors import ApiError
from starlette.responses import Response

from orchestrator.disconnect import ClientDisconnectedError, until_disconnect
from orchestrator.telemetry import CLIENT_DISCONNECTED
from orchestrator.wire import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.types import Receive, Scope, Send

    from orchestrator.telemetry import Record

CLIENT_CLOSED_REQUEST = 499
"""Status in the log of a request whose client went away; nobody receives it."""


def json_response(
    value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(to_json(value), status, headers, media_type="application/json")


def error_response(error: ApiError) -> Response:
    return json_response(error.body(), error.status, error.headers())


class PartStream(Response):
    """Sends each part as soon as it is there. A client that goes away ends what makes them.

    A failure in between ends the response before it is complete.
    """

    def __init__(self, parts: AsyncGenerator[bytes, None], record: Record, headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._parts = parts
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await until_disconnect(receive, self._send(send))
        except ClientDisconnectedError:
            self._record.outcome = CLIENT_DISCONNECTED

    async def told(self, failure: ApiError, send: Send) -> bool:
        """Tell the client of a failure in a part, and return whether that completes the body."""
        return False

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._parts) as parts:
            try:
                async for part in parts:
                    await send_part(send, part)
            except ApiError as error:
                self._record.fail(error)
                if not await self.told(error, send):
                    return
            except Exception as bug:
                await self._fail_for(bug, send)
                raise
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _fail_for(self, bug: Exception, send: Send) -> None:
        failure = ApiError()
        failure.__cause__ = bug
        self._record.fail(failure)
        await self.told(failure, send)


class EventStream(PartStream):
    """Server-sent events. A failure becomes the event that `on_failure` makes of it, and ends the stream."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes, None], record: Record, on_failure: Callable[[ApiError], bytes]
    ) -> None:
        super().__init__(events, record, {"cache-control": "no-cache"})
        self._on_failure = on_failure

    async def told(self, failure: ApiError, send: Send) -> bool:
        await send_part(send, self._on_failure(failure))
        return True


async def send_part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
