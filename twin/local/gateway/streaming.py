"""Lambda proxy integrations whose response is streamed (`ResponseTransferMode: STREAM`)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from twin.local.emulator import Emulator
from twin.local.front import Receive, Send
from twin.local.functions.host import FunctionHost
from twin.local.functions.proxy import HOP_BY_HOP, HttpRequest, lambda_headers
from twin.local.functions.spec import FunctionSpec
from twin.local.functions.web import WebProcess
from twin.local.functions.worker import FunctionError
from twin.local.gateway.errors import INTERNAL, TIMEOUT, GatewayError
from twin.local.gateway.record import GatewayRecord
from twin.local.gateway.upstream import ConnectionPool, UpstreamError, UpstreamResponse

IDLE_SECONDS = 300.0
"""A stream without a byte for this long is cut off (regional and private APIs)."""

_REMAPPED = {"date": "x-amzn-Remapped-Date", "server": "x-amzn-Remapped-Server"}


@dataclass(frozen=True, slots=True)
class StreamedCall:
    """One request for a function's web server, with its limits."""

    record: Mapping[str, Any]
    spec: FunctionSpec
    request: HttpRequest
    seconds: float


class StreamingIntegration:
    """Sends requests to functions' web servers and passes the answers on chunk by chunk."""

    def __init__(self, emulator: Emulator, host: FunctionHost) -> None:
        self._emulator = emulator
        self._host = host
        self._pool = ConnectionPool()

    async def answer(
        self, call: StreamedCall, gateway: GatewayRecord
    ) -> tuple[int, dict[str, list[str]], Any]:
        """Status, headers and streamed body; raises GatewayError while no byte has been sent."""
        deadline = time.monotonic() + call.seconds
        gateway.integration_started = time.time()
        try:
            async with asyncio.timeout(call.seconds):
                process = self._host.running_web(call.spec)
                if process is None:
                    process = await asyncio.to_thread(self._host.start_web, call.spec, call.record)
                response = await self._pool.send(process.port, call.request)
        except TimeoutError:
            raise GatewayError(*TIMEOUT) from None
        except (FunctionError, UpstreamError) as error:
            raise GatewayError(*INTERNAL, detail=str(error)) from error
        gateway.integration_status = response.status
        body = _Body(self, call, process, response, deadline, gateway)
        return (
            response.status,
            _client_headers(response.headers),
            self._emulator.responses.StreamingResponse(body.run),
        )

    def finished(self, call: StreamedCall, gateway: GatewayRecord) -> None:
        """Note the end of an answer; the function's output goes to its log stream."""
        gateway.integration_ended = time.time()
        duration = gateway.integration_ended - (gateway.integration_started or gateway.integration_ended)
        output = self._host.new_output(call.spec.name)
        self._emulator.functions._emit_lambda_logs(
            call.record, gateway.request_id, output, error=False, duration_ms=int(duration * 1000)
        )


@dataclass(frozen=True, slots=True)
class _Body:
    integration: StreamingIntegration
    call: StreamedCall
    process: WebProcess
    response: UpstreamResponse
    deadline: float
    gateway: GatewayRecord

    async def run(self, send: Send, receive: Receive) -> None:
        """Pass the body on until its end, a limit, or the client's leaving."""
        pump = asyncio.create_task(self._pump(send))
        watch = asyncio.create_task(_disconnected(receive))
        with self.process:
            try:
                await asyncio.wait({pump, watch}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                watch.cancel()
                if not pump.done():
                    self.response.abort()
                    pump.cancel()
                with contextlib.suppress(asyncio.CancelledError, UpstreamError, TimeoutError):
                    await pump
                self.integration.finished(self.call, self.gateway)

    async def _pump(self, send: Send) -> None:
        chunks = aiter(self.response.chunks())
        try:
            while True:
                limit = min(IDLE_SECONDS, max(0.0, self.deadline - time.monotonic()))
                async with asyncio.timeout(limit):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            self.response.abort()
            raise
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _client_headers(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    """A function's headers as API Gateway passes them on: streamed, so without a length."""
    passed: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in HOP_BY_HOP and lower != "content-length":
            passed.setdefault(_REMAPPED.get(lower, name), []).append(value)
    return passed


def streamed_request(
    event: Mapping[str, Any], headers: Mapping[str, str], spec: FunctionSpec, seconds: float
) -> HttpRequest:
    """The HTTP request for a proxy event.

    A body of a type that is not among the API's binary media types has come through text, as on AWS.
    """
    text = event["body"] or ""
    body = base64.b64decode(text) if event["isBase64Encoded"] else str(text).encode()
    query = event.get("multiValueQueryStringParameters") or {}
    target = str(event["path"]) + (f"?{urlencode(query, doseq=True)}" if query else "")
    passed = [(name, value) for name, value in headers.items() if name not in HOP_BY_HOP | {"content-length"}]
    context = event["requestContext"]
    passed += lambda_headers(spec, context, context["requestId"], time.time() + seconds)
    passed.append(("content-length", str(len(body))))
    return HttpRequest(str(event["httpMethod"]), target, passed, body)
