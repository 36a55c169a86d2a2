"""What the routes of every family share: reading the body, and what a client's leaving means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from orchestrator.bodies import read_body
from orchestrator.disconnect import ClientDisconnectedError, until_disconnect
from orchestrator.replies import CLIENT_CLOSED_REQUEST
from orchestrator.telemetry import CLIENT_DISCONNECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request

    from orchestrator.telemetry import Record

    Work = Callable[[bytes, Record], Coroutine[None, None, Response]]


async def carry_out(request: Request, work: Work) -> Response:
    """Do the work with the request's body to its end, whatever becomes of the client.

    Meant for work that leaves something behind.
    """
    record: Record = request.state.record
    try:
        body = await read_body(request.stream())
    except ClientDisconnect:
        return _gone(record)
    return await work(body, record)


async def answer(request: Request, work: Work) -> Response:
    """Do the work with the request's body; a client that goes away ends it.

    Meant for work that only this client is served by.
    """

    async def work_while_connected(body: bytes, record: Record) -> Response:
        return await while_connected(request, work(body, record))

    return await carry_out(request, work_while_connected)


async def while_connected(request: Request, work: Coroutine[None, None, Response]) -> Response:
    """Return what the work returns, unless the client goes away. The request's body has been read."""
    try:
        return await until_disconnect(request.receive, work)
    except ClientDisconnectedError:
        return _gone(request.state.record)


def _gone(record: Record) -> Response:
    record.outcome = CLIENT_DISCONNECTED
    return Response(status_code=CLIENT_CLOSED_REQUEST)
