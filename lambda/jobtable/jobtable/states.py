"""The states of jobs, by OpenAI's names. A final state never changes."""

from __future__ import annotations

from typing import Final, Literal

ResponseStatus = Literal["queued", "completed", "incomplete", "failed", "cancelled"]
BatchStatus = Literal[
    "validating", "in_progress", "finalizing", "cancelling", "completed", "failed", "expired", "cancelled"
]
FileStatus = Literal["uploaded", "processed", "error"]

QUEUED: Final = "queued"
VALIDATING: Final = "validating"
IN_PROGRESS: Final = "in_progress"
FINALIZING: Final = "finalizing"
CANCELLING: Final = "cancelling"
COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"
FAILED: Final = "failed"
EXPIRED: Final = "expired"
CANCELLED: Final = "cancelled"

OPEN: Final = frozenset({QUEUED, VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING})
FINAL: Final = frozenset({COMPLETED, INCOMPLETE, FAILED, EXPIRED, CANCELLED})
