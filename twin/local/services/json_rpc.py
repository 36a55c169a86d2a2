"""AWS's JSON 1.1 protocol: every operation is `POST /`, named in `X-Amz-Target`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from twin.local.services import wire
from twin.local.services.errors import ServiceError
from twin.local.services.shapes import load_shapes, require_valid
from twin.local.services.storage import Record

State = TypeVar("State")
Fallback = Callable[[wire.Scope, str, bytes], tuple[int, Mapping[str, str], bytes] | None]
"""Answers an operation that a service lacks, or returns None: (scope, operation, body) -> response."""

MAX_REQUEST_BYTES = 6 * 1024 * 1024
CONTENT_TYPE = "application/x-amz-json-1.1"


class JsonService(Generic[State]):
    """Operations over one state, validated against botocore's model of the service."""

    def __init__(
        self,
        name: str,
        operations: Mapping[str, Callable[[State, Record], Record | None]],
        state: State,
        handles: Callable[[Record], bool] = lambda request: True,
    ) -> None:
        self._name = name
        self._operations = operations
        self._handles = handles
        self.state = state

    def run(self, operation: str, request: Record) -> Record | None:
        """Validate and carry out; parameters that are None count as absent."""
        given = {name: value for name, value in request.items() if value is not None}
        require_valid(load_shapes(self._name, frozenset(self._operations)), operation, given)
        return self._operations[operation](self.state, given)

    def app(self, fallback: Fallback | None = None) -> wire.ASGIApp:
        """The service as an ASGI app."""

        async def app(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
            try:
                body = await wire.read_body(receive, MAX_REQUEST_BYTES)
                operation = (wire.header(scope, "x-amz-target") or "").rpartition(".")[2]
                request = wire.parse_json(body)
                if operation in self._operations and self._handles(request):
                    await wire.send_json(send, self.run(operation, request), CONTENT_TYPE)
                    return
                answer = fallback(scope, operation, body) if fallback is not None else None
                if answer is None:
                    raise ServiceError(
                        "UnknownOperationException", f"{self._name} has no operation {operation!r}"
                    )
                status, headers, content = answer
                await wire.send_body(send, status, content, headers)
            except ServiceError as error:
                await _send_error(send, error)
            except wire.BodyTooLargeError as error:
                await _send_error(send, ServiceError("RequestEntityTooLargeException", str(error), 413))
            except wire.ClientGoneError:
                return

        return app


async def _send_error(send: wire.Send, error: ServiceError) -> None:
    body = json.dumps({"__type": error.code, "message": error.message, **error.members}).encode()
    await wire.send_body(
        send, error.status, body, {"content-type": CONTENT_TYPE, "x-amzn-errortype": error.code}
    )
