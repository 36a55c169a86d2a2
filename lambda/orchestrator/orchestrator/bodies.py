"""Reading request bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import BodyTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_BODY_BYTES = 1_000_000
_DRAINED_BYTES = 16_000_000
"""A client that is still sending cannot read a refusal, so this much is read and thrown away first."""


async def read_body(content: AsyncIterator[bytes]) -> bytes:
    """Raises `BodyTooLargeError` above `MAX_BODY_BYTES`, whatever the content's length claims."""
    body = bytearray()
    size = 0
    async for chunk in content:
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            body += chunk
        elif size > _DRAINED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        message = f"The request's body is larger than {MAX_BODY_BYTES:,} bytes."
        raise BodyTooLargeError(message)
    return bytes(body)
