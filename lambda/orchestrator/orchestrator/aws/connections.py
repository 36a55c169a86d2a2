"""Connections that are kept for the next request."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import httpcore

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

    Key = tuple[bytes, bytes, int]
    Idle = deque[httpcore.AsyncConnectionInterface]


class ConnectionPool(httpcore.AsyncConnectionPool):
    """httpcore's pool with other bookkeeping: a request costs the same however many connections there are.

    httpcore's own looks, for each request, at every connection once for every idle one. With 64 requests at a
    time that is two thirds of all that the function does. This one uses the connection that was idle for the
    shortest time, and sets no limit: a connection is open for each request under way.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._idle: dict[Key, Idle] = {}
        self._used: set[httpcore.AsyncConnectionInterface] = set()
        self._ended = False

    @property
    def connections(self) -> list[httpcore.AsyncConnectionInterface]:
        """Every connection, those in use first."""
        return [*self._used, *(connection for idle in self._idle.values() for connection in idle)]

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        origin = request.url.origin
        idle = self._idle.setdefault((origin.scheme, origin.host, origin.port), deque())
        connection = await _newest(idle) or self.create_connection(origin)
        self._used.add(connection)

        async def done() -> None:
            await self._keep(idle, connection)

        try:
            response = await connection.handle_async_request(request)
        except BaseException:  # a cancelled request gives its connection back too
            with anyio.CancelScope(shield=True):
                await done()
            raise
        return httpcore.Response(
            response.status,
            headers=response.headers,
            content=_Body(response.stream, done),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close what is idle now, and what is in use as soon as it is not."""
        self._ended = True
        for idle in self._idle.values():
            while idle:
                await idle.pop().aclose()

    async def _keep(self, idle: Idle, connection: httpcore.AsyncConnectionInterface) -> None:
        self._used.discard(connection)
        if self._ended or not connection.is_idle() or connection.is_closed():
            await connection.aclose()
            return
        idle.append(connection)
        while idle[0].has_expired():
            oldest = idle.popleft()
            await oldest.aclose()
            if not idle:
                return


async def _newest(idle: Idle) -> httpcore.AsyncConnectionInterface | None:
    """A connection that can be used, taken from `idle`."""
    while idle:
        connection = idle.pop()
        if not connection.has_expired():
            return connection
        await connection.aclose()
    return None


class _Body:
    """A response's content. Closing it, read to its end or not, lets the connection go."""

    def __init__(self, stream: Any, done: Callable[[], Awaitable[None]]) -> None:
        self._stream: AsyncIterable[bytes] = stream
        self._close: Callable[[], Awaitable[None]] = stream.aclose
        self._done = done
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except BaseException:  # a cancelled reader gives the connection back too
            await self.aclose()
            raise

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            try:
                await self._close()
            finally:
                await self._done()
