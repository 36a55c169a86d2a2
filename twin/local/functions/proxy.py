"""From an API Gateway proxy event to the HTTP request that the Web Adapter makes of it, and back."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from twin.local import HOST
from twin.local.functions.spec import FunctionSpec

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request for a function's web server."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


def request_from_event(
    event: Mapping[str, Any], spec: FunctionSpec, request_id: str, deadline: float
) -> HttpRequest:
    """The HTTP request of a REST API proxy event (payload format 1.0).

    The function's own context travels in `x-amzn-request-context` and `x-amzn-lambda-context`, as JSON.
    """
    query = event.get("multiValueQueryStringParameters") or {}
    target = str(event.get("path") or "/") + (f"?{urlencode(query, doseq=True)}" if query else "")
    body = event.get("body") or ""
    payload = base64.b64decode(body) if event.get("isBase64Encoded") else str(body).encode()
    headers = [
        (name, str(value))
        for name, values in (event.get("multiValueHeaders") or {}).items()
        if name.lower() not in HOP_BY_HOP | {"content-length"}
        for value in values
    ]
    headers += lambda_headers(spec, event.get("requestContext") or {}, request_id, deadline)
    headers.append(("content-length", str(len(payload))))
    return HttpRequest(str(event.get("httpMethod") or "GET"), target, headers, payload)


def lambda_headers(
    spec: FunctionSpec, request_context: Mapping[str, Any], request_id: str, deadline: float
) -> list[tuple[str, str]]:
    """What the adapter tells a server of its invocation; `deadline` in seconds, told in milliseconds."""
    context = {
        "request_id": request_id,
        "deadline": int(deadline * 1000),
        "invoked_function_arn": spec.arn,
        "env_config": {
            "function_name": spec.name,
            "memory": spec.memory_mb,
            "version": spec.version,
            "log_group": spec.log_group,
        },
    }
    return [
        ("x-amzn-request-context", json.dumps(request_context)),
        ("x-amzn-lambda-context", json.dumps(context)),
    ]


def exchange(port: int, request: HttpRequest, seconds: float) -> dict[str, Any]:
    """Send a request and wait for the whole answer, in the form that a proxy integration returns.

    Raises TimeoutError, and OSError or http.client.HTTPException for a broken exchange.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=seconds)
    try:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value)
        if not any(name.lower() == "host" for name, _ in request.headers):
            connection.putheader("host", f"{HOST}:{port}")
        connection.endheaders(request.body)
        response = connection.getresponse()
        return _proxy_response(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def _proxy_response(status: int, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in HOP_BY_HOP | {"content-length"}:
            grouped.setdefault(name, []).append(value)
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    return {"statusCode": status, "multiValueHeaders": grouped, "body": text, "isBase64Encoded": encoded}
