"""One `make up` at a time for each state directory."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class BusyError(Exception):
    """Another process is at it; the message names it."""


@contextmanager
def turn(state: Path) -> Iterator[None]:
    """Hold the state directory's lock for deploys, or raise `BusyError`; the lock ends with the process."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "up.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            message = (
                f"another `make up` works on {state} (process {lock.read().strip()}). "
                f"Wait until it is done, or end it"
            )
            raise BusyError(message) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
