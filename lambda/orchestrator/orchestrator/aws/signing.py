"""AWS Signature Version 4 for requests without a query string, and for URLs that carry the signature.

Source: AWS General Reference, "Create a signed AWS API request". The tests compare it with botocore.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.aws.credentials import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_S3 = "s3"


def sign(
    *,
    method: str,
    host: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """Return `headers` with `host`, `x-amz-date`, `x-amz-security-token` and `authorization` added.

    S3 also gets `x-amz-content-sha256`. `path` is the request's path as sent; `now` is in UTC.
    """
    timestamp = _timestamp(now)
    payload = hashlib.sha256(body).hexdigest()
    signed = {**_normalized(headers), "host": host, "x-amz-date": timestamp}
    if service == _S3:
        signed["x-amz-content-sha256"] = payload
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    canonical = _canonical(method, _canonical_path(path, service), "", signed, payload)
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={_names(signed)}, Signature={_signature(credentials, scope, timestamp, canonical)}"
    )
    return signed


def presign(
    *,
    method: str,
    host: str,
    path: str,
    headers: dict[str, str],
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
    seconds: int,
) -> str:
    """Return the query string that lets anyone send the request, with `headers`, for `seconds`.

    The body is left open. The URL ends with the credentials, which may be sooner.
    """
    timestamp = _timestamp(now)
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    signed = {**_normalized(headers), "host": host}
    parameters = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": _names(signed),
    }
    if credentials.session_token:
        parameters["X-Amz-Security-Token"] = credentials.session_token
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(parameters.items()))
    canonical = _canonical(method, _canonical_path(path, service), query, signed, "UNSIGNED-PAYLOAD")
    return f"{query}&X-Amz-Signature={_signature(credentials, scope, timestamp, canonical)}"


def _timestamp(now: datetime) -> str:
    return now.strftime("%Y%m%dT%H%M%SZ")


def _normalized(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, value in headers.items()}


def _names(headers: dict[str, str]) -> str:
    return ";".join(sorted(headers))


def _canonical_path(path: str, service: str) -> str:
    """All services but S3 take the path encoded a second time."""
    return path if service == _S3 else quote(path, safe="/-_.~")


def _canonical(method: str, path: str, query: str, headers: dict[str, str], payload: str) -> str:
    lines = (f"{name}:{headers[name]}" for name in sorted(headers))
    return "\n".join([method, path, query, *lines, "", _names(headers), payload])


def _signature(credentials: Credentials, scope: str, timestamp: str, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
