"""A handler that does what the event asks; it signs its AWS calls by itself, for a bundle without the SDK."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import importlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

STARTED = time.time()
CALLS: list[str] = []


def handler(event: dict[str, Any], context: Any) -> Any:
    CALLS.append(context.aws_request_id)
    action = event.get("action")
    sys.stdout.write(f"action {action}\n")
    for record in event.get("Records", ()):
        sys.stdout.write(f"record {record['body']}\n")
    if "detail-type" in event:
        sys.stdout.write(f"event {event['detail-type']}\n")
    if action == "import":
        importlib.import_module(event["module"])
    if action == "sleep":
        time.sleep(event["seconds"])
    if action == "fail":
        raise ValueError(event["message"])
    if action == "exit":
        os._exit(3)
    if action == "set":
        return {1, 2}
    if action == "call":
        return call(**event["request"])
    return {
        "version": VERSION,
        "pid": os.getpid(),
        "calls": len(CALLS),
        "path": sys.path,
        "environment": dict(os.environ),
        "remaining_ms": context.get_remaining_time_in_millis(),
        "arn": context.invoked_function_arn,
    }


VERSION = 1


def call(
    service: str, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """A SigV4-signed request to the local cloud; its status and text."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    payload = hashlib.sha256(body.encode()).hexdigest()
    fields = {"host": host, "x-amz-content-sha256": payload, "x-amz-date": now, **(headers or {})}
    fields["x-amz-security-token"] = os.environ["AWS_SESSION_TOKEN"]
    names = ";".join(sorted(fields))
    lines = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields))
    canonical = "\n".join([method, path, "", lines, names, payload])
    scope = f"{now[:8]}/{os.environ['AWS_REGION']}/{service}/aws4_request"
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, digest])
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    fields["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    del fields["host"]
    request = urllib.request.Request(  # noqa: S310 - the local cloud
        os.environ["AWS_ENDPOINT_URL"] + path, data=body.encode() or None, headers=fields, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return {"status": response.status, "text": response.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "text": error.read().decode()}


def proxy(event: dict[str, Any], context: object) -> Any:
    """The answer of a buffered proxy integration."""
    if event["path"].endswith("/broken"):
        return "not an object"
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}
