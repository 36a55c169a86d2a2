"""Memory of the local cloud and of its functions: proportional set size, so that shared pages count once."""

from __future__ import annotations

import json
import time
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
    status = lifecycle.status(clone.state)
    if status is None:
        raise RuntimeError(f"the local cloud of {clone.root} does not run")
    cloud = _megabytes(status.pid)
    functions = [
        _megabytes(json.loads(path.read_text(encoding="utf-8"))["pid"])
        for path in (clone.state / "processes").glob("*.json")
    ]
    return [
        Row("memory of the local cloud, idle", cloud, "MB", limit=400),
        Row(
            f"the same with the {len(functions)} function processes still loaded",
            cloud + sum(functions),
            "MB",
        ),
    ]


def _megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/smaps_rollup names no Pss")
