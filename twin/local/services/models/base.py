"""What stands behind an endpoint of the local cloud: a container that answers `POST /invocations`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Container:
    """The part of a SageMaker model that its container sees: environment variables."""

    environment: Mapping[str, str]

    def integer(self, name: str, default: int) -> int:
        """Value of an integer variable; `default` when it is unset or no number."""
        value = self.environment.get(name, "")
        return int(value) if value.isdecimal() else default


@dataclass(frozen=True, slots=True)
class ModelReply:
    """HTTP answer of a container: chunks of `body` come as the server flushes them."""

    status: int
    content_type: str
    body: AsyncIterator[bytes]


class ModelStreamBrokenError(Exception):
    """The model server's answer ended before it was complete."""


class ModelBackend(Protocol):
    """A model server."""

    async def invoke(self, body: bytes, container: Container) -> ModelReply:
        """Answer one request; the reply's body is read once, and may raise `ModelStreamBrokenError`."""

    async def close(self) -> None:
        """Let go of connections and memory."""
