"""What stands behind an endpoint of the local cloud: a container that answers `POST /invocations`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Container:
    """The part of a SageMaker model that its container sees: environment variables.

    Those of the vLLM container are known by both containers' names: `SM_VLLM_<ARGUMENT>`, or
    `OPTION_<ARGUMENT>` in AWS's LMI container.
    """

    environment: Mapping[str, str]

    def integer(self, name: str, default: int) -> int:
        """Value of an integer variable; `default` when it is unset or no number."""
        value = self._value(name)
        return int(value) if value.isdecimal() else default

    def served_names(self) -> Sequence[str]:
        """Names the model answers to, from `SM_VLLM_SERVED_MODEL_NAME`: one, or a JSON list of them."""
        value = self._value("SM_VLLM_SERVED_MODEL_NAME")
        if value.startswith("["):
            return [str(name) for name in json.loads(value)]
        return [value] if value else []

    def _value(self, name: str) -> str:
        return self.environment.get(name) or self.environment.get(name.replace("SM_VLLM_", "OPTION_"), "")


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
