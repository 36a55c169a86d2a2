"""Memory of the local cloud and of its functions: proportional set size, so that shared pages count once."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import Row
from twin.local import lifecycle

if TYPE_CHECKING:
    from bench.clone import Clone

IDLE_SECONDS = 75
"""Event workers of functions end after a minute without work."""


def measure(clone: Clone) -> list[Row]:
    """Wait until the cloud is idle, then take its own memory and that of the functions still loaded."""
    time.sleep(IDLE_SECONDS)
    cloud, functions = _processes(clone)
    return [
        Row("memory of the local cloud, idle", cloud, "MB", limit=400),
        Row(
            f"the same with the {len(functions)} function processes still loaded",
            cloud + sum(functions),
            "MB",
        ),
    ]


def megabytes_in_use(clone: Clone) -> tuple[float, float]:
    """Memory of the local cloud, and of all its functions' processes together, now."""
    cloud, functions = _processes(clone)
    return cloud, sum(functions)


def _processes(clone: Clone) -> tuple[float, list[float]]:
    """Megabytes of the cloud, and of each function process."""
    status = lifecycle.status(clone.state)
    if status is None:
        raise RuntimeError(f"the local cloud of {clone.root} does not run")
    functions = []
    for path in (clone.state / "processes").glob("*.json"):
        with suppress(FileNotFoundError, ProcessLookupError, json.JSONDecodeError):  # it just ended
            functions.append(_megabytes(json.loads(path.read_text(encoding="utf-8"))["pid"]))
    return _megabytes(status.pid), functions


def _megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/smaps_rollup names no Pss")
