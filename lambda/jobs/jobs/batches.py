"""Brings an open batch back to its state machine, or to its end where that has none any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from jobtable.ids import digits, transform_job_name
from jobtable.states import CANCELLED, CANCELLING, FAILED, OPEN

from jobs.announce import announce

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobtable.records import Record

    from jobs.stores import Executions, Stores, Transforms

RECHECK_SECONDS = 60
ATTEMPTS = 3
"""Transform jobs that a batch's state machine starts at most."""

UNFINISHED = frozenset({"RUNNING", "PENDING_REDRIVE"})

LOST = {
    "code": "batch_failed",
    "message": "The batch stopped before it was finished.",
    "line": None,
    "param": None,
}


class Batches:
    """`environment` is the environment's name, which transform jobs' names contain."""

    def __init__(
        self,
        stores: Stores,
        executions: Executions,
        transforms: Transforms,
        clock: Callable[[], float],
        environment: str,
    ) -> None:
        self._stores = stores
        self._executions = executions
        self._transforms = transforms
        self._clock = clock
        self._environment = environment

    def check(self, record: Record) -> Record | None:
        """Look after an open batch; return its record where that ended it."""
        name = digits(record["id"])
        status = self._executions.status(name)
        if status is None:
            self._executions.start(name, {"owner": record["owner"], "batch_id": record["id"]})
        elif status not in UNFINISHED:
            return self._end(record, "expired" if status == "TIMED_OUT" else "failed")
        elif record["status"] == CANCELLING:
            for attempt in range(ATTEMPTS):
                self._transforms.stop(transform_job_name(self._environment, record["id"], attempt))
        self._stores.jobs.defer(record, int(self._clock()) + RECHECK_SECONDS)
        return None

    def _end(self, record: Record, status: Literal["expired", "failed"]) -> Record | None:
        """End a batch whose execution did not. One that its client cancelled is cancelled."""
        now = int(self._clock())
        jobs = self._stores.jobs
        fields: dict[str, Any] = {"status": status, f"{status}_at": now}
        if status == FAILED:
            fields["errors"] = [LOST]
        ended = jobs.end(record, fields, now, allowed=OPEN - {CANCELLING}) or jobs.end(
            record, {"status": CANCELLED, "cancelled_at": now}, now, allowed={CANCELLING}
        )
        if ended is not None:
            announce(self._stores, ended, now)
        return ended
