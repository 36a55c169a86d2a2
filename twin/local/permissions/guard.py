"""Lets a function's call through when its role allows it, and answers AccessDenied otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module

from twin.local import HOST
from twin.local.emulator import Emulator
from twin.local.front import ASGIApp, Caller, Message, Receive, Scope, Send, send_json
from twin.local.permissions import needs
from twin.local.permissions.needs import Keys
from twin.local.permissions.policy import Need, Policies
from twin.local.permissions.sessions import RoleSessions

_enforced: ContextVar[bool] = ContextVar("permissions_enforced", default=False)


@contextmanager
def enforced() -> Iterator[None]:
    """MiniStack checks policies in this block: services deliver to each other, over TLS as on AWS."""
    origin = import_module("ministack.core.iam_evaluator")._request_origin
    token, before = _enforced.set(True), origin.set((HOST, True))
    try:
        yield
    finally:
        _enforced.reset(token)
        origin.reset(before)


class EnforcedCalls:
    """MiniStack's `AUTH` switch, on for the functions' calls and off for all others.

    MiniStack asks for its truth value wherever it decides whether to authorize a request.
    """

    def __bool__(self) -> bool:
        """Whether the request that this task serves is a function's."""
        return _enforced.get()


class Guard:
    """Checks the functions' calls; everybody else's pass."""

    def __init__(self, emulator: Emulator, sessions: RoleSessions, policies: Policies, keys: Keys) -> None:
        self._emulator = emulator
        self._sessions = sessions
        self._policies = policies
        self._keys = keys
        emulator.app.AUTH = EnforcedCalls()

    def applies(self, caller: Caller) -> bool:
        """Whether a function made the call."""
        return self._sessions.knows(caller.access_key)

    async def __call__(
        self, caller: Caller, app: ASGIApp, *, emulated: bool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a function's call through `app`, which is MiniStack's if `emulated`, or refuse it."""
        if not self._sessions.valid(caller.access_key, caller.token):
            await self._refuse(send, caller, "The security token included in the request is invalid.")
            return
        body = b"" if caller.service == "s3" else await _read(receive)
        for need in self._needs(caller, scope, body):
            denial = self._policies.denial(caller.access_key, need)
            if denial is not None:
                await self._refuse(send, caller, denial, need)
                return
        replayed = receive if caller.service == "s3" else _replay(body, receive)
        token = _enforced.set(emulated)
        try:
            await app(_as_tls(scope) if emulated else scope, replayed, send)
        finally:
            _enforced.reset(token)

    def _needs(self, caller: Caller, scope: Scope, body: bytes) -> list[Need]:
        path = scope["path"]
        if caller.service == "s3vectors":
            return needs.vectors(path, body, self._keys)
        if caller.service == "sagemaker":
            return needs.sagemaker(path, caller.header, body)
        if caller.service == "application-autoscaling":
            return needs.autoscaling(caller.header)
        if caller.service == "s3":
            return needs.object_keys(scope["method"], path, scope.get("query_string", b""), self._keys)
        if caller.service == "sqs":
            return needs.queue_keys(caller.header, body, self._keys)
        if caller.service == "dynamodb":
            return needs.table_keys(body, self._keys)
        if caller.service == "secretsmanager":
            return needs.secret_keys(caller.header, body, self._keys)
        return []

    async def _refuse(self, send: Send, caller: Caller, message: str, need: Need | None = None) -> None:
        if caller.service == "s3":
            status, headers, body = self._emulator.actions.access_denied_response(
                "s3", need.action if need else "", "", str(uuid.uuid4()), message=message
            )
            fields = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": fields})
            await send({"type": "http.response.body", "body": body})
            return
        content = {"__type": "AccessDeniedException", "message": message, "Message": message}
        await send_json(send, 403, content, [(b"x-amzn-errortype", b"AccessDeniedException")])


def _as_tls(scope: Scope) -> Scope:
    """The request as if it had come over TLS, on which bucket and queue policies insist; this is loopback."""
    return {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that first gives the body that was read already."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_next() -> Message:
        return pending.pop() if pending else await receive()

    return receive_next
