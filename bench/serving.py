"""Servers that run while something is measured, and the clock for one request."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
QUESTION = "What does scaling to zero cost the first caller of the day?"
ROUNDS = 100


@contextmanager
def process(command: list[str], variables: dict[str, str], url: str) -> Iterator[float]:
    """Run a server; yield the seconds from its start until `url` answered 200."""
    pool = urllib3.PoolManager(retries=False)
    started = time.perf_counter()
    process = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while not _answers(pool, url):
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} exited with status {process.returncode}")
            time.sleep(0.005)
        yield time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def _answers(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", url).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def time_to_first_byte(
    pool: urllib3.PoolManager, url: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> float:
    """Milliseconds from sending until the first byte of the answer's body."""
    started = time.perf_counter()
    response = pool.request("POST", url, body=json.dumps(body), headers=headers, preload_content=False)
    first = response.read(1)
    elapsed = (time.perf_counter() - started) * 1000
    rest = response.read()
    response.release_conn()
    if response.status != 200:
        raise RuntimeError(f"{url} answered {response.status}: {(first + rest)[:500]!r}")
    return elapsed
