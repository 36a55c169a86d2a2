"""An ASGI application that answers like the SageMaker runtime and S3 Vectors, as each test scripts it."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from orchestrator import sse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import Receive, Scope, Send


def message(payload: bytes, **headers: str) -> bytes:
    """One message of AWS's binary event stream; `_` in a header's name stands for `:` or `-`."""
    encoded = b""
    for name, value in headers.items():
        key = f":{name.replace('_', '-')}".encode()
        encoded += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    body = prelude + struct.pack(">I", crc32(prelude)) + encoded + payload
    return body + struct.pack(">I", crc32(body))


def payload_part(payload: bytes) -> bytes:
    return message(
        payload, message_type="event", event_type="PayloadPart", content_type="application/octet-stream"
    )


def exception(kind: str, **details: str) -> bytes:
    return message(json.dumps(details).encode(), message_type="exception", exception_type=kind)


def vllm_stream(chunks: Iterable[dict[str, Any]], *, done: bool = True) -> bytes:
    """Server-sent events as the container writes them."""
    return b"".join(map(sse.event, chunks)) + (sse.DONE_EVENT if done else b"")


@dataclass(frozen=True)
class Reply:
    """Status, headers, then each part of the body; a number is a pause in seconds.

    With `cut`, the connection breaks after the last part.
    """

    parts: Sequence[bytes | float]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def error_reply(status: int, kind: str, **details: Any) -> Reply:
    return Reply([json.dumps(details).encode()], status, {"x-amzn-errortype": f"{kind}:http://internal/"})


def json_reply(value: dict[str, Any]) -> Reply:
    return Reply([json.dumps(value).encode()])


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: Any


class CutError(Exception):
    """Makes uvicorn close the connection before the response is complete."""


@dataclass
class AwsStub:
    """Gives the replies in turn, the last one again and again; remembers the calls."""

    replies: deque[Reply] = field(default_factory=deque)
    calls: list[Call] = field(default_factory=list)
    disconnected: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        self.replies, self.calls, self.disconnected = deque(), [], threading.Event()

    def script(self, *replies: Reply) -> None:
        self.replies = deque(replies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.calls.append(await _call(scope, receive))
        reply = self.replies.popleft() if len(self.replies) > 1 else self.replies[0]
        watcher = asyncio.create_task(_watch(receive, self.disconnected))
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        try:
            started = False
            for part in reply.parts:
                if isinstance(part, float):
                    await asyncio.sleep(part)
                    continue
                if not started:
                    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
                    started = True
                await send({"type": "http.response.body", "body": part, "more_body": True})
            if reply.cut:
                raise CutError
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watcher.cancel()


async def _watch(receive: Receive, disconnected: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    disconnected.set()


async def _call(scope: Scope, receive: Receive) -> Call:
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    return Call(scope["path"], headers, json.loads(body or b"null"))
