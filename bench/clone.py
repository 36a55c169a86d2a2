"""A fresh clone of the repository, brought up as a user would, for everything that is measured in it."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import Row
from twin.deployment.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone whose local cloud is up."""

    root: Path
    port: int
    fresh_seconds: float
    second_seconds: float

    @property
    def state(self) -> Path:
        return self.root / ".local"

    @property
    def connection(self) -> Connection:
        return Connection.read(self.state / "connection.json")

    def rows(self) -> list[Row]:
        return [
            Row("make up, fresh clone with a warm package cache", self.fresh_seconds, "s", limit=180),
            Row("make up, second time, nothing changed", self.second_seconds, "s", limit=75),
        ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make(root: Path, *words: str) -> float:
    # The variables of the make that runs the bench would reach the inner one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    started = time.monotonic()
    subprocess.run(["make", "--no-print-directory", *words], cwd=root, check=True, env=environment)
    return time.monotonic() - started


@contextmanager
def brought_up() -> Iterator[Clone]:
    """Clone HEAD, run `make up` twice, and stop the cloud at the end."""
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as folder:
        root = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
        port = free_port()
        try:
            fresh = _make(root, "up", f"PORT={port}")
            second = _make(root, "up", f"PORT={port}")
            yield Clone(root, port, fresh, second)
        finally:
            _make(root, "down")
