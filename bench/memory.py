"""Resident memory of the local cloud and of its functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import Row

if TYPE_CHECKING:
    from bench.clone import Clone


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _children(pid: int) -> list[int]:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [child for word in words for child in (int(word), *_children(int(word)))]


def measure(clone: Clone) -> list[Row]:
    from twin.local import lifecycle

    status = lifecycle.status(clone.state)
    if status is None:
        raise RuntimeError(f"the local cloud of {clone.root} does not run")
    functions = sum(_resident_mb(child) for child in _children(status.pid))
    return [
        Row("memory of the local cloud, idle", _resident_mb(status.pid), "MB", limit=400),
        Row("memory of the functions' processes, idle", functions, "MB"),
    ]
