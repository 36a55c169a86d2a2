"""Waiting for a job at a terminal: each change of its status is shown once, with the time since the start."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from twin.cli.output import dim, say


class Job(Protocol):
    """A response or a batch of the OpenAI package."""

    @property
    def status(self) -> str | None: ...


AnyJob = TypeVar("AnyJob", bound=Job)


class JobTimeoutError(Exception):
    """The job did not end in time; it goes on, and can be asked for later."""


def follow(
    job: AnyJob,
    retrieve: Callable[[], AnyJob],
    running: frozenset[str],
    *,
    seconds: float,
    pause: float,
    describe: Callable[[AnyJob], str] = lambda _: "",
) -> AnyJob:
    """Ask every `pause` seconds until the status is none of `running`; raises JobTimeoutError."""
    started, shown = time.monotonic(), ""
    while True:
        took = time.monotonic() - started
        line = f"{job.status}{describe(job)}"
        if line != shown:
            say(dim(f"{took:6.1f} s  {line}"))
            shown = line
        if job.status not in running:
            return job
        if took > seconds:
            raise JobTimeoutError(f"still {job.status} after {seconds:.0f} s")
        time.sleep(pause)
        job = retrieve()
