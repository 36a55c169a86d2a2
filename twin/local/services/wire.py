"""ASGI without a framework: types, reading a body, sending an answer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from twin.local.services.errors import ServiceError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyTooLargeError(Exception):
    """A request body of more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request body is larger than {limit} bytes")
        self.limit = limit


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read the whole request body.

    Raises `BodyTooLargeError` once more than `limit` bytes have come, `ClientGoneError` on a disconnect.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def header(scope: Scope, name: str) -> str | None:
    """Value of a request header (`name` in lower case), or None."""
    wanted = name.encode("ascii")
    for key, value in scope["headers"]:
        if key == wanted:
            return str(value.decode("latin-1"))
    return None


def header_list(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Response headers as ASGI wants them, with a request id."""
    pairs = {"x-amzn-requestid": str(uuid.uuid4()), **headers}
    return [
        (key.lower().encode("latin-1"), value.encode("latin-1", "replace")) for key, value in pairs.items()
    ]


async def send_body(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a whole response."""
    head = header_list({"content-length": str(len(body)), **headers})
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_json(send: Send, value: object, content_type: str = "application/json") -> None:
    """Send `value` as JSON with status 200; None sends an empty body."""
    body = b"" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    await send_body(send, 200, body, {"content-type": content_type})


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, an empty body counting as `{}`; `SerializationException` otherwise."""
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", f"The request body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ServiceError("SerializationException", "The request body is not a JSON object")
    return value
