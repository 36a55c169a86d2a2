"""The one entrance: sends each request to the service it is meant for."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH_PATH = "/_local/health"


class ServiceRouter(Protocol):
    """The services of the local cloud's own."""

    def route(self, service: str, path: str, target: str | None) -> ASGIApp | None:
        """The app for a request, by signing name, path and X-Amz-Target; None if it is none of ours."""


class ApiGateway(Protocol):
    """Requests to deployed APIs."""

    def serves(self, path: str) -> bool:
        """Whether a path is such a request."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one through `app`."""


class CallGuard(Protocol):
    """Permissions of the functions' own calls."""

    def applies(self, caller: Caller) -> bool:
        """Whether a function made the call."""

    async def __call__(
        self, caller: Caller, app: ASGIApp, *, emulated: bool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve the call through `app`, which is MiniStack's if `emulated`, or refuse it."""


class CloudEvents(Protocol):
    """What the front tells the cloud's process."""

    def status(self) -> dict[str, Any]:
        """What the health path answers."""

    async def started(self) -> None:
        """MiniStack is ready; requests come after this."""

    async def stopping(self) -> None:
        """Requests have ended."""

    def stack_request(self) -> None:
        """CloudFormation answered a request."""


class Caller:
    """Who signed a request, for which service: read from the SigV4 credential scope.

    What a presigned address carries in its query counts as if it had come in headers.
    """

    __slots__ = ("access_key", "headers", "service", "token")

    def __init__(self, scope: Scope) -> None:
        self.headers = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
        query = _signature(scope)
        credential = _credential(self.headers.get(b"authorization", b"").decode("latin-1"), query)
        parts = credential.split("/")
        self.access_key = parts[0]
        self.service = parts[3] if len(parts) > 3 else ""
        self.token = self.header(b"x-amz-security-token") or query.get("X-Amz-Security-Token")

    def header(self, name: bytes) -> str | None:
        """A header's value."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def _credential(authorization: str, query: Mapping[str, str]) -> str:
    _, found, rest = authorization.partition("Credential=")
    return rest.partition(",")[0].strip() if found else query.get("X-Amz-Credential", "")


def _signature(scope: Scope) -> Mapping[str, str]:
    """The query of a presigned request; empty for any other."""
    query = bytes(scope.get("query_string", b""))
    return dict(parse_qsl(query.decode("latin-1"))) if b"X-Amz-Credential=" in query else {}


class Front:
    """ASGI app in front of MiniStack and of the services of our own."""

    def __init__(
        self,
        emulator: ASGIApp,
        *,
        services: ServiceRouter,
        gateway: ApiGateway,
        guard: CallGuard,
        events: CloudEvents,
    ) -> None:
        self._emulator = emulator
        self._services = services
        self._gateway = gateway
        self._guard = guard
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._emulator(scope, receive, send)
            return
        path = scope["path"]
        if path == HEALTH_PATH:
            await send_json(send, 200, self._events.status())
        elif self._gateway.serves(path):
            await self._gateway(self._emulator, scope, receive, send)
        else:
            await self._route(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = Caller(scope)
        app = self._services.route(caller.service, scope["path"], caller.header(b"x-amz-target"))
        chosen = app or self._emulator
        if self._guard.applies(caller):
            await self._guard(caller, chosen, emulated=app is None, scope=scope, receive=receive, send=send)
        else:
            await chosen(scope, receive, send)
        if caller.service == "cloudformation":
            self._events.stack_request()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """MiniStack's start and stop, with ours after the first and before the second."""

        async def receive_next() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._events.stopping()
            return message

        async def send_next(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._events.started()
            await send(message)

        await self._emulator(scope, receive_next, send_next)


async def send_json(
    send: Send, status: int, content: Any, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Answer with a JSON document."""
    body = json.dumps(content).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": fields + (headers or [])})
    await send({"type": "http.response.body", "body": body})
