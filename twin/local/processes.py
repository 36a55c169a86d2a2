"""Processes of the local cloud, identified by id and start time so that a recycled id is never signalled."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_START_TIME_FIELD = 19
"""Position of `starttime` in /proc/PID/stat, counted after the command name's closing parenthesis."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process: its id, and when it started in clock ticks after boot."""

    pid: int
    started: int
    title: str

    @classmethod
    def of(cls, pid: int, title: str) -> ProcessIdentity | None:
        """The identity of a running process, or None when there is none with this id."""
        started = start_time(pid)
        return None if started is None else cls(pid, started, title)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return start_time(self.pid) == self.started

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal, to the whole process group that it leads if asked; nothing when it is gone."""
        if not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def end(self, grace_seconds: float, *, group: bool = False) -> None:
        """Ask to stop, wait up to `grace_seconds`, then kill."""
        self.signal(signal.SIGTERM, group=group)
        if not self.wait(grace_seconds):
            self.signal(signal.SIGKILL, group=group)
            self.wait(1.0)

    def wait(self, seconds: float) -> bool:
        """Whether the process ended within `seconds`."""
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None for no process, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[_START_TIME_FIELD])


class ProcessRegister:
    """Files about running function processes, one each, so that a later cloud can find leftovers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, identity: ProcessIdentity) -> None:
        """Remember a process group by its leader."""
        path = self._folder / f"{identity.pid}.json"
        path.write_text(json.dumps(asdict(identity)), encoding="utf-8")

    def remove(self, pid: int) -> None:
        """Forget a process that was seen to end."""
        (self._folder / f"{pid}.json").unlink(missing_ok=True)

    def end_all(self, grace_seconds: float = 1.0) -> list[ProcessIdentity]:
        """End every remembered process group that still runs, and return those."""
        identities = [_read(path) for path in self._folder.glob("*.json")]
        running = [identity for identity in identities if identity is not None and identity.alive]
        for identity in running:
            identity.signal(signal.SIGTERM, group=True)
        deadline = time.monotonic() + grace_seconds
        for identity in running:
            if not identity.wait(max(0.0, deadline - time.monotonic())):
                identity.signal(signal.SIGKILL, group=True)
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)
        return running


def _read(path: Path) -> ProcessIdentity | None:
    """A register file's content; None for one that was cut off while it was written."""
    try:
        return ProcessIdentity(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError, FileNotFoundError):
        return None
