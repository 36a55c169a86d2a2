"""A web server of the standard library, answering slowly, in pieces or not at all, as the path asks."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from typing import Any

STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"server: test\r\ntransfer-encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def answer(  # noqa: C901 - a table of answers
    method: str, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
) -> None:
    if path == "/health":
        await send_json(writer, {"status": "ok"})
    elif path.startswith("/stream"):
        writer.write(STREAM)
        for number in range(5):
            writer.write(chunk(b"data: %d\n\n" % number))
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(chunk(b""))
    elif path == "/utf8":
        writer.write(STREAM)
        for piece in ("größe €".encode()[index : index + 1] for index in range(11)):
            writer.write(chunk(piece))
            await writer.drain()
            await asyncio.sleep(0.005)
        writer.write(chunk(b""))
    elif path == "/forever":
        writer.write(STREAM)
        while True:
            writer.write(chunk(b"data: x\n\n"))
            await writer.drain()
            await asyncio.sleep(0.02)
    elif path == "/cut":
        writer.write(STREAM + chunk(b"data: 1\n\n"))
        await writer.drain()
        raise ConnectionError
    elif path == "/silent":
        await asyncio.sleep(60)
    elif path == "/exit":
        os._exit(1)
    else:
        text = body.decode("utf-8", "replace")
        seen = {"method": method, "path": path, "headers": headers, "body": text, "pid": os.getpid()}
        seen["sha256"] = hashlib.sha256(body).hexdigest()
        await send_json(writer, seen)


async def send_json(writer: asyncio.StreamWriter, content: dict[str, Any]) -> None:
    data = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = line.split(" ")
            await answer(method, path, headers, body, writer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        sys.stdout.write("connection ended\n")
        sys.stdout.flush()
    finally:
        writer.transport.abort()


async def main() -> None:
    if os.environ.get("BROKEN"):
        sys.exit("the server does not start")
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["AWS_LWA_PORT"]))
    await server.serve_forever()


asyncio.run(main())
