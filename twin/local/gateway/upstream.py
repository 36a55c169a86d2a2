"""HTTP/1.1 to the functions' web servers: answers are passed on as they arrive, connections stay open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import h11

from twin.local import HOST
from twin.local.functions.proxy import HttpRequest

_READ_BYTES = 1 << 16


class UpstreamError(Exception):
    """The function's server broke the exchange off."""


@dataclass(slots=True)
class Connection:
    """One connection to a server."""

    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))
    answered: bool = False

    async def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next protocol event; raises UpstreamError on a broken answer."""
        try:
            while (event := self.protocol.next_event()) is h11.NEED_DATA:
                data = await self.reader.read(_READ_BYTES)
                self.answered = self.answered or bool(data)
                self.protocol.receive_data(data)
        except (h11.RemoteProtocolError, ConnectionError) as error:
            raise UpstreamError(str(error)) from error
        return event

    def abort(self) -> None:
        """Close at once, which tells the server that nobody listens."""
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """A response whose head has arrived."""

    status: int
    headers: list[tuple[str, str]]
    connection: Connection
    pool: ConnectionPool

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, as the server sends it. The connection is kept after its end."""
        while True:
            event = await self.connection.next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.pool.give_back(self.connection)
                return
            else:
                raise UpstreamError("the server closed the connection before the end of its answer")

    def abort(self) -> None:
        """Give up on the rest."""
        self.connection.abort()


class ConnectionPool:
    """Idle connections by port."""

    def __init__(self) -> None:
        self._idle: dict[int, list[Connection]] = {}

    async def send(self, port: int, request: HttpRequest) -> UpstreamResponse:
        """Send a request and wait for the head of its answer; raises UpstreamError.

        A kept connection that the server had closed meanwhile is replaced by a new one: it has not read the
        request.
        """
        kept = self._take(port)
        if kept is not None:
            try:
                return await self._exchange(kept, request)
            except UpstreamError:
                kept.abort()
                if kept.answered:
                    raise
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
        except OSError as error:
            raise UpstreamError(str(error)) from error
        return await self._exchange(Connection(port, reader, writer), request)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, if its server allows."""
        protocol = connection.protocol
        if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
            protocol.start_next_cycle()
            connection.answered = False
            self._idle.setdefault(connection.port, []).append(connection)
        else:
            connection.abort()

    def _take(self, port: int) -> Connection | None:
        idle = self._idle.get(port, [])
        while idle:
            connection = idle.pop()
            if not connection.reader.at_eof():
                return connection
            connection.abort()
        return None

    async def _exchange(self, connection: Connection, request: HttpRequest) -> UpstreamResponse:
        head = h11.Request(method=request.method, target=request.target, headers=request.headers)
        protocol = connection.protocol
        parts = [
            protocol.send(head),
            protocol.send(h11.Data(data=request.body)),
            protocol.send(h11.EndOfMessage()),
        ]
        try:
            connection.writer.write(b"".join(part for part in parts if part))
            await connection.writer.drain()
            event = await connection.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = await connection.next_event()
        except ConnectionError as error:
            raise UpstreamError(str(error)) from error
        except asyncio.CancelledError:
            connection.abort()
            raise
        if not isinstance(event, h11.Response):
            raise UpstreamError("the server closed the connection without an answer")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
        return UpstreamResponse(event.status_code, headers, connection, self)
