"""Signed requests to one AWS service."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from orchestrator.aws.credentials import Credentials
from orchestrator.aws.signing import sign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ATTEMPTS = 2
"""How often a request is tried. Only one that no server has accepted is tried again."""

BACKOFF_SECONDS = 0.2
CONNECT_TIMEOUT_SECONDS = 2.0
WRITE_TIMEOUT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 15.0
"""An idle connection is given up before AWS closes it, so that no request is written to a dead one."""

_THROTTLED = {"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}


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

    def __init__(self, error: httpx.TransportError, *, sent: bool) -> None:
        self.sent = sent
        """Whether the service may have seen the request."""
        super().__init__(repr(error))


def http_client() -> httpx.AsyncClient:
    """The connection pool that the services share.

    Reading has no timeout here: each caller bounds its own stages.
    """
    return httpx.AsyncClient(
        headers={"accept-encoding": "identity"},
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS, write=WRITE_TIMEOUT_SECONDS),
        limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )


class AwsClient:
    """Posts to one service. `signing_name` is the service's name in the credential scope."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        signing_name: str,
        region: str,
        credentials: Callable[[], Credentials] = Credentials.read,
        backoff_seconds: float = BACKOFF_SECONDS,
    ) -> None:
        self._http = http
        self._base_url = httpx.URL(base_url)
        self._signing_name = signing_name
        self._region = region
        self._credentials = credentials
        self._backoff_seconds = backoff_seconds

    @asynccontextmanager
    async def post(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Send `body` as JSON; the response's status is a success and its body not yet read.

        Leaving the context closes the connection of a response that was not read to its end, which
        tells the service to stop. Raises `AwsError` and `AwsConnectionError`.
        """
        response = await self._send(path, json.dumps(body, ensure_ascii=False).encode(), headers or {})
        try:
            yield response
        except httpx.TransportError as error:
            raise AwsConnectionError(error, sent=True) from error
        finally:
            await response.aclose()

    async def _send(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._send_once(path, body, headers)
            except (AwsError, AwsConnectionError) as failure:
                if attempt == ATTEMPTS or not _was_not_accepted(failure):
                    raise
            await asyncio.sleep(self._backoff_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load
        raise AssertionError

    async def _send_once(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        try:
            response = await self._http.send(self._request(path, body, headers), stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AwsConnectionError(error, sent=False) from error
        except httpx.TransportError as error:
            raise AwsConnectionError(error, sent=True) from error
        if not response.is_success:
            raise await _read_error(response)
        return response

    def _request(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Request:
        url = self._base_url.copy_with(path=self._base_url.path.rstrip("/") + path)
        signed = sign(
            method="POST",
            host=url.netloc.decode(),
            path=url.path,
            headers={"content-type": "application/json", **headers},
            body=body,
            credentials=self._credentials(),
            region=self._region,
            service=self._signing_name,
            now=datetime.now(UTC),
        )
        return self._http.build_request("POST", url, headers=signed, content=body)


def _was_not_accepted(failure: AwsError | AwsConnectionError) -> bool:
    return failure.throttled if isinstance(failure, AwsError) else not failure.sent


async def _read_error(response: httpx.Response) -> AwsError:
    """The kind is in `x-amzn-errortype` (`Kind:details`), else in the body's `__type` (`namespace#Kind`)."""
    try:
        content = await response.aread()
    except httpx.TransportError as error:
        content = json.dumps({"message": repr(error)}).encode()
    finally:
        await response.aclose()
    try:
        details = json.loads(content)
    except ValueError:
        details = None
    if not isinstance(details, dict):
        details = {"message": content[:500].decode("utf-8", errors="replace")}
    kind = (
        response.headers.get("x-amzn-errortype") or details.get("__type") or details.get("code") or "Unknown"
    )
    return AwsError(str(kind).split(":")[0].rpartition("#")[2], response.status_code, details)
