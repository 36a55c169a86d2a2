"""Signed requests to one AWS service."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import certifi
import httpcore

from orchestrator.aws.connections import ConnectionPool
from orchestrator.aws.credentials import Credentials
from orchestrator.aws.signing import presign, sign
from orchestrator.wire import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ATTEMPTS = 2
"""How often a request is tried. Only one that no server has accepted is tried again."""

BACKOFF_SECONDS = 0.2
CONNECT_TIMEOUT_SECONDS = 2.0
WRITE_TIMEOUT_SECONDS = 10.0

KEEP_ALIVE_SECONDS = 15.0
"""An idle connection is given up before AWS closes it, so that no request is written to a dead one."""

_TIMEOUTS = {"connect": CONNECT_TIMEOUT_SECONDS, "write": WRITE_TIMEOUT_SECONDS}
"""Reading has no timeout here: each caller bounds its own stages."""

_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "ThrottlingException",
    "TooManyRequestsException",
}
_CONNECTION_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


class AwsError(Exception):
    """An AWS service answered with an error.

    The exception's text is for the log. It leaves out what a model said, which may quote the prompt.
    """

    def __init__(self, kind: str, status: int, details: dict[str, Any]) -> None:
        self.kind = kind
        self.status = status
        self.details = details
        self.message = str(details.get("Message") or details.get("message") or "")
        model_status = details.get("OriginalStatusCode")
        what = self.message if model_status is None else f"model answered {model_status}"
        super().__init__(f"{kind} ({status}): {what}")

    @property
    def throttled(self) -> bool:
        """Whether the service refused the request for its rate, without beginning it."""
        return self.kind in _THROTTLED


class AwsConnectionError(Exception):
    """No connection to the service could be made, or it broke before the answer was complete."""

    def __init__(self, error: Exception, *, sent: bool) -> None:
        self.sent = sent
        """Whether the service may have seen the request."""
        super().__init__(repr(error))


def connection_pool(*, tls: bool) -> httpcore.AsyncConnectionPool:
    """Return the connections that the services share.

    With `tls` one context serves them all: reading the authorities' certificates takes tens of
    milliseconds, which httpcore would spend anew for each connection.
    """
    return ConnectionPool(
        ssl_context=ssl.create_default_context(cafile=certifi.where()) if tls else None,
        keepalive_expiry=KEEP_ALIVE_SECONDS,
    )


class AwsClient:
    """Sends to one service. `signing_name` is the service's name in the credential scope."""

    def __init__(
        self,
        pool: httpcore.AsyncConnectionPool,
        *,
        base_url: str,
        signing_name: str,
        region: str,
        credentials: Callable[[], Credentials] = Credentials.read,
        backoff_seconds: float = BACKOFF_SECONDS,
    ) -> None:
        self._pool = pool
        self._base_url = base_url
        self._signing_name = signing_name
        self._region = region
        self._credentials = credentials
        self._backoff_seconds = backoff_seconds

    @asynccontextmanager
    async def post(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AsyncIterator[httpcore.Response]:
        """`send` with `body` as JSON."""
        headers = {"content-type": "application/json", **(headers or {})}
        async with self.send("POST", path, to_json(body), headers) as response:
            yield response

    @asynccontextmanager
    async def send(
        self, method: str, path: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> AsyncIterator[httpcore.Response]:
        """Send `content`; the response's status is a success and its content not yet read.

        `path` is percent-encoded. Leaving the context closes the connection of a response that was not read
        to its end, which tells the service to stop. Raises `AwsError` and `AwsConnectionError`.
        """
        response = await self._send(method, path, content, headers or {})
        try:
            yield response
        except _CONNECTION_ERRORS as error:
            raise AwsConnectionError(error, sent=True) from error
        finally:
            await response.aclose()

    async def _send(
        self, method: str, path: str, content: bytes, headers: dict[str, str]
    ) -> httpcore.Response:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._send_once(self._request(method, path, content, headers))
            except (AwsError, AwsConnectionError) as failure:
                if attempt == ATTEMPTS or not _was_not_accepted(failure):
                    raise
            await asyncio.sleep(self._backoff_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load
        raise AssertionError

    async def _send_once(self, request: httpcore.Request) -> httpcore.Response:
        try:
            response = await self._pool.handle_async_request(request)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise AwsConnectionError(error, sent=False) from error
        except _CONNECTION_ERRORS as error:
            raise AwsConnectionError(error, sent=True) from error
        if not 200 <= response.status < 300:
            raise await _read_error(response)
        return response

    def _request(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> httpcore.Request:
        url = urlsplit(self._base_url + path)
        signed = sign(
            method=method,
            host=url.netloc,
            path=url.path,
            headers=headers,
            body=content,
            credentials=self._credentials(),
            region=self._region,
            service=self._signing_name,
            now=datetime.now(UTC),
        )
        signed["content-length"] = str(len(content))
        return httpcore.Request(
            method,
            self._base_url + path,
            headers=list(signed.items()),
            content=content,
            extensions={"timeout": _TIMEOUTS},
        )

    def presigned(self, method: str, path: str, *, seconds: int, headers: dict[str, str]) -> str:
        """URL with which anyone may send such a request, with these headers, for `seconds`."""
        url = urlsplit(self._base_url + path)
        query = presign(
            method=method,
            host=url.netloc,
            path=url.path,
            headers=headers,
            credentials=self._credentials(),
            region=self._region,
            service=self._signing_name,
            now=datetime.now(UTC),
            seconds=seconds,
        )
        return f"{self._base_url}{path}?{query}"


def _was_not_accepted(failure: AwsError | AwsConnectionError) -> bool:
    return failure.throttled if isinstance(failure, AwsError) else not failure.sent


async def _read_error(response: httpcore.Response) -> AwsError:
    """The kind is in `x-amzn-errortype` (`Kind:details`), else in the body's `__type` (`namespace#Kind`)."""
    try:
        content = await response.aread()
    except _CONNECTION_ERRORS as error:
        content = json.dumps({"message": repr(error)}).encode()
    finally:
        await response.aclose()
    try:
        details = json.loads(content)
    except ValueError:
        details = None
    if not isinstance(details, dict):
        details = {"message": content[:500].decode("utf-8", errors="replace")}
    headers = {name.lower(): value for name, value in response.headers}
    kind = headers.get(b"x-amzn-errortype", b"").decode("latin-1")
    kind = kind or str(details.get("__type") or details.get("code") or "Unknown")
    return AwsError(kind.split(":")[0].rpartition("#")[2], response.status, details)
