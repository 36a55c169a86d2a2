"""The SageMaker runtime: invocations, and the local cloud's own `/_local/faults` and `/_local/load`.

The admin paths exist only here, never on AWS: `POST /_local/faults` orders a fault (see `Fault`), `GET` lists
the open ones, `DELETE` drops them; `GET /_local/load` shows the requests on each copy, and the backlogs.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from twin.local.services import wire
from twin.local.services.errors import ServiceError
from twin.local.services.runtime.errors import validation
from twin.local.services.runtime.eventstream import CONTENT_TYPE
from twin.local.services.runtime.faults import FaultError
from twin.local.services.runtime.invocation import AnswerLostError, ConnectionCutError, Invocation
from twin.local.services.runtime.state import RuntimeState, Target

MAX_BODY_BYTES = 6_291_456
FAULTS_PATH = "/_local/faults"
LOAD_PATH = "/_local/load"
_PATH = re.compile(r"/endpoints/([^/]+)/(invocations|invocations-response-stream|async-invocations)")

_CUT_SHORT = [(b"content-length", b"2")]
"""Head of an answer whose body never comes: the server closes the connection then."""


class Accepted(Protocol):
    """An asynchronous request that was queued."""

    @property
    def inference_id(self) -> str:
        """The client's id, or a new one."""

    @property
    def output_location(self) -> str | None:
        """S3 address of the result."""

    @property
    def failure_location(self) -> str | None:
        """S3 address of the failure."""


class Queues(Protocol):
    """The queues of the asynchronous endpoints."""

    def accept(self, endpoint: str, header: Callable[[str], str | None], body: bytes) -> Accepted:
        """Queue a request."""

    def add_load(self, load: dict[str, dict[str, object]]) -> None:
        """Add the queues' sizes to the load by copy."""


def create_app(state: RuntimeState, queues: Queues) -> wire.ASGIApp:
    """The service as an ASGI app."""

    async def app(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        try:
            body = await wire.read_body(receive, MAX_BODY_BYTES)
            if scope["path"].startswith("/_local/"):
                await _administer(state, queues, scope, body, send)
                return
            await _until_client_leaves(_serve(state, queues, scope, body, send), receive)
        except ServiceError as error:
            await _send_error(send, error)
        except wire.BodyTooLargeError:
            await wire.send_body(
                send, 413, b'{"message":"Request Entity Too Large"}', {"content-type": "application/json"}
            )
        except AnswerLostError:
            await send({"type": "http.response.start", "status": 202, "headers": _CUT_SHORT})
        except (wire.ClientGoneError, ConnectionCutError):
            return

    return app


async def _until_client_leaves(work: Awaitable[None], receive: wire.Receive) -> None:
    """Run `work`, and cancel it when the client closes the connection: nobody waits for the tokens."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    serving, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left())
    try:
        await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
    finally:
        for task in (serving, leaving):
            task.cancel()
        await asyncio.gather(serving, leaving, return_exceptions=True)


async def _serve(
    state: RuntimeState, queues: Queues, scope: wire.Scope, body: bytes, send: wire.Send
) -> None:
    match = _PATH.fullmatch(scope["path"])
    if match is None or scope["method"] != "POST":
        raise ServiceError(
            "UnknownOperationException", f"No operation for {scope['method']} {scope['path']}", 404
        )
    endpoint, operation = match.groups()
    if operation == "async-invocations":
        await _send_accepted(send, queues.accept(endpoint, lambda name: wire.header(scope, name), body))
        return
    target = _target(state, scope, endpoint)
    async with Invocation(state, target, body) as invocation:
        if operation == "invocations":
            answer = await invocation.whole()
            headers = {
                "content-type": answer.content_type,
                "x-amzn-invoked-production-variant": answer.variant,
            }
            await wire.send_body(send, 200, answer.body, headers)
            return
        reply = await invocation.begin_stream()
        headers = {
            "content-type": CONTENT_TYPE,
            "x-amzn-sagemaker-content-type": reply.content_type,
            "x-amzn-invoked-production-variant": invocation.variant,
        }
        await send({"type": "http.response.start", "status": 200, "headers": wire.header_list(headers)})
        await _send_stream(send, invocation.events(reply))


async def _send_accepted(send: wire.Send, accepted: Accepted) -> None:
    headers = {"content-type": "application/json"}
    if accepted.output_location is not None:
        headers["x-amzn-sagemaker-outputlocation"] = accepted.output_location
    if accepted.failure_location is not None:
        headers["x-amzn-sagemaker-failurelocation"] = accepted.failure_location
    body = json.dumps({"InferenceId": accepted.inference_id}).encode()
    await wire.send_body(send, 202, body, headers)


def _target(state: RuntimeState, scope: wire.Scope, endpoint: str) -> Target:
    if wire.header(scope, "x-amzn-sagemaker-target-model") is not None:
        raise validation(f"Endpoint {endpoint} does not host multiple models in one container.")
    component = wire.header(scope, "x-amzn-sagemaker-inference-component")
    return state.resolve(endpoint, component, wire.header(scope, "x-amzn-sagemaker-target-variant"))


async def _send_stream(send: wire.Send, events: AsyncGenerator[bytes]) -> None:
    async with aclosing(events) as stream:
        async for event in stream:
            await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_error(send: wire.Send, error: ServiceError) -> None:
    body = json.dumps({"ErrorCode": error.code, "Message": error.message, **error.members}).encode()
    headers = {"content-type": "application/json", "x-amzn-errortype": error.code}
    await wire.send_body(send, error.status, body, headers)


async def _administer(
    state: RuntimeState, queues: Queues, scope: wire.Scope, body: bytes, send: wire.Send
) -> None:
    method, path = scope["method"], scope["path"]
    if (method, path) == ("GET", LOAD_PATH):
        load = state.load()
        queues.add_load(load)
        await wire.send_json(send, load)
        return
    if path != FAULTS_PATH or method not in ("GET", "POST", "DELETE"):
        raise ServiceError("UnknownOperationException", f"No operation for {method} {path}", 404)
    if method == "POST":
        try:
            state.faults.add(wire.parse_json(body))
        except (FaultError, TypeError) as error:
            raise validation(str(error)) from None
    elif method == "DELETE":
        state.faults.clear()
    await wire.send_json(send, {"faults": state.faults.as_json()})
