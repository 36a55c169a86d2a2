"""The default event bus of EventBridge, as these services use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class EventSink(Protocol):
    """Takes SageMaker's events."""

    def __call__(self, detail_type: str, resources: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Publish an event of the source `aws.sagemaker`."""


def ignore_events(detail_type: str, resources: Sequence[str], detail: Mapping[str, Any]) -> None:
    """A bus without rules."""
    del detail_type, resources, detail
