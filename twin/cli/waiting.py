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

_SLOWER = 1.25
"""Each question counts against the key's rate and quota, so a long wait asks less and less often."""


class JobTimeoutError(Exception):
    """The job did not end in time; it goes on, and can be asked for later."""


def follow(
    job: AnyJob,
    retrieve: Callable[[], AnyJob],
    running: frozenset[str],
    *,
    seconds: float,
    pause: float,
    longest_pause: float,
    describe: Callable[[AnyJob], str] = lambda _: "",
) -> AnyJob:
    """Ask until the status is none of `running`: after `pause` seconds, later every `longest_pause`.

    Raises JobTimeoutError. Whoever interrupts the wait is told that the job goes on.
    """
    try:
        return _follow(job, retrieve, running, seconds, pause, longest_pause, describe)
    except KeyboardInterrupt:
        say(dim("The wait ended; the job goes on."))
        raise


def _follow(
    job: AnyJob,
    retrieve: Callable[[], AnyJob],
    running: frozenset[str],
    seconds: float,
    pause: float,
    longest_pause: float,
    describe: Callable[[AnyJob], str],
) -> AnyJob:
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
            raise JobTimeoutError(f"still {job.status} after {seconds:.0f} s; the job goes on")
        time.sleep(pause)
        pause = min(longest_pause, pause * _SLOWER)
        job = retrieve()
