"""Writing to MiniStack's CloudWatch Logs from inside the process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from twin.local.emulator import Emulator

_MAX_EVENTS = 4_000
"""Events kept per stream, in memory: about 3 MB; the oldest go first."""


class LogGroups:
    """Appends lines to log streams, creating group and stream where needed."""

    def __init__(self, emulator: Emulator) -> None:
        self._logs = emulator.logs

    def append(self, group_name: str, stream_name: str, lines: Sequence[str]) -> None:
        """Add one event per line, all with the present time."""
        if not lines:
            return
        now = round(time.time() * 1000)
        stream = self._stream(group_name, stream_name, now)
        events = [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines]
        self._logs._append_log_events(stream, events)
        del stream["events"][:-_MAX_EVENTS]

    def _stream(self, group_name: str, stream_name: str, now: int) -> dict[str, Any]:
        groups = self._logs._log_groups
        if group_name not in groups:
            groups[group_name] = {
                "arn": self._logs._make_group_arn(group_name),
                "creationTime": now,
                "retentionInDays": None,
                "tags": {},
                "subscriptionFilters": {},
                "streams": {},
            }
        streams: dict[str, dict[str, Any]] = groups[group_name]["streams"]
        return streams.setdefault(
            stream_name,
            {
                "events": [],
                "uploadSequenceToken": "1",
                "creationTime": now,
                "firstEventTimestamp": None,
                "lastEventTimestamp": None,
                "lastIngestionTime": None,
            },
        )
