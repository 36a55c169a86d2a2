"""Jobs' objects in the exchange bucket."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from orchestrator.aws.client import AwsConnectionError, AwsError
from orchestrator.jobs.errors import JobsUnavailableError, ObjectMissingError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpcore

    from orchestrator.aws.client import AwsClient

ANSWER_SECONDS = 20.0
"""Longest time for S3 to take a request and begin its answer, and between two parts of the answer."""

_NOT_FOUND = 404


class Objects(Protocol):
    """Each method but those that presign raises `JobsUnavailableError`."""

    async def get(self, key: str) -> bytes | None:
        """Return the whole content, or None where there is no such object."""
        ...

    def stream(self, key: str) -> AsyncGenerator[bytes, None]:
        """Yield the content in parts. The first step raises `ObjectMissingError` where there is none."""
        ...

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """Write the object, whatever was there."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; one that does not exist is no error."""
        ...

    async def size(self, key: str) -> int | None:
        """Return the length in bytes, or None where there is no such object."""
        ...

    def presigned_get(self, key: str, *, seconds: int) -> str:
        """URL that gives the object's content."""
        ...

    def presigned_put(self, key: str, *, seconds: int, content_length: int | None = None) -> str:
        """URL that takes the object's content with PUT, of exactly that length if one is given."""
        ...


class S3Objects:
    """A bucket; the client's base URL is the bucket's."""

    def __init__(self, client: AwsClient, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._client = client
        self._answer_seconds = answer_seconds

    async def get(self, key: str) -> bytes | None:
        try:
            return b"".join([part async for part in self.stream(key)])
        except ObjectMissingError:
            return None

    async def stream(self, key: str) -> AsyncGenerator[bytes, None]:
        async with self._request("GET", key) as response:
            parts = aiter(response.aiter_stream())
            while True:
                async with asyncio.timeout(self._answer_seconds):
                    part = await anext(parts, None)
                if part is None:
                    return
                yield part

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        async with self._request("PUT", key, content, {"content-type": content_type}) as response:
            await response.aread()

    async def delete(self, key: str) -> None:
        async with self._request("DELETE", key) as response:
            await response.aread()

    async def size(self, key: str) -> int | None:
        try:
            async with self._request("HEAD", key) as response:
                headers = {name.lower(): value for name, value in response.headers}
                return int(headers[b"content-length"])
        except ObjectMissingError:
            return None

    def presigned_get(self, key: str, *, seconds: int) -> str:
        return self._client.presigned("GET", _path(key), seconds=seconds, headers={})

    def presigned_put(self, key: str, *, seconds: int, content_length: int | None = None) -> str:
        headers = {} if content_length is None else {"content-length": str(content_length)}
        return self._client.presigned("PUT", _path(key), seconds=seconds, headers=headers)

    @asynccontextmanager
    async def _request(
        self, method: str, key: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> AsyncIterator[httpcore.Response]:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._answer_seconds):
                    sending = self._client.send(method, _path(key), content, headers)
                    response = await stack.enter_async_context(sending)
                yield response
        except AwsError as error:
            if error.status == _NOT_FOUND:
                raise ObjectMissingError(key) from error
            raise JobsUnavailableError from error
        except (AwsConnectionError, TimeoutError) as error:
            raise JobsUnavailableError from error


def _path(key: str) -> str:
    return f"/{quote(key, safe='/-_.~')}"
