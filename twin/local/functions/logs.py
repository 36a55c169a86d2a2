"""Function output: one log file per function, whose new lines go to CloudWatch Logs after each invocation."""

from __future__ import annotations

import threading
from pathlib import Path

_MAX_SHIPPED_BYTES = 1 << 20


class FunctionLog:
    """The log file of one function; `take_new` yields every byte once, whoever calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.touch()
        self._shipped = path.stat().st_size

    def take_new(self) -> str:
        """What was written since the last call, at most its last MiB."""
        with self._lock, self.path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(self._shipped, size - _MAX_SHIPPED_BYTES))
            text = log.read(size - log.tell())
            self._shipped = size
        return text.decode(errors="replace")

    def tail(self, lines: int = 8) -> str:
        """The last lines, for a message about a process that did not start."""
        with self.path.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - 4096))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
