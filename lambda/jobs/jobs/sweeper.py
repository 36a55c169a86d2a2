"""Looks at the jobs that are due: open ones of which nothing was heard, and ended ones nobody was told of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobtable import events
from jobtable.states import OPEN

from jobs.announce import announce
from jobs.batches import RECHECK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobtable.records import Kind, Record

    from jobs.batches import Batches
    from jobs.settle import Settler
    from jobs.stores import Stores


@dataclass(slots=True)
class Swept:
    """What one sweep did."""

    looked_at: int = 0
    failed: int = 0
    """Jobs at which something went wrong; the next sweep looks at them again."""
    settled: list[Record] = field(default_factory=list)
    """Records of jobs that the sweep ended."""
    complete: bool = True
    """Whether time sufficed for all that was due."""


class Sweeper:
    """`batches` is None where batches are not deployed; `failed` hears of each job that went wrong."""

    def __init__(
        self,
        stores: Stores,
        settler: Settler,
        batches: Batches | None,
        clock: Callable[[], float],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._stores = stores
        self._settler = settler
        self._batches = batches
        self._clock = clock
        self._failed = failed

    def sweep(self, deadline: float) -> Swept:
        """Look at all that is due, until `deadline`, in seconds since the epoch.

        Batches come first: they are few, and must not wait behind any number of responses.
        """
        swept = Swept()
        kinds: tuple[Kind, ...] = ("batch", "response") if self._batches else ("response",)
        for kind in kinds:
            for owner, job_id in self._due(kind):
                if self._clock() >= deadline:
                    swept.complete = False
                    return swept
                self._look(owner, job_id, swept)
        return swept

    def _due(self, kind: Kind) -> Iterator[tuple[str, str]]:
        now = int(self._clock())
        page = self._stores.jobs.due(kind, now)
        yield from page.jobs
        while page.next is not None:
            page = self._stores.jobs.due(kind, now, page.next)
            yield from page.jobs

    def _look(self, owner: str, job_id: str, swept: Swept) -> None:
        """Look at one job; what goes wrong with it stays with it."""
        swept.looked_at += 1
        record: Record | None = None
        try:
            record = self._stores.jobs.get(owner, job_id)
            if record is not None and record.get("due_at", 0) <= self._clock():
                ended = self._settle(record)
                swept.settled += [ended] if ended else []
        except Exception as error:
            swept.failed += 1
            self._failed(job_id, error)
            self._step_aside(record)

    def _settle(self, record: Record) -> Record | None:
        """Bring a due job further; return its record where that ended it.

        The index is behind the table, so the job may have ended, and its client have been told.
        """
        if record["status"] not in OPEN:
            announce(self._stores, record, int(self._clock()))
            return None
        if record["open"] == "batch":
            return self._batches.check(record) if self._batches else None
        outcome = self._settler.overdue(record)
        return outcome.record if outcome.what == "settled" else None

    def _step_aside(self, record: Record | None) -> None:
        """Let others come first in the next sweep, which may have no time for all."""
        try:
            if record is not None and not events.awaits(record):
                self._stores.jobs.defer(record, int(self._clock()) + RECHECK_SECONDS)
        except Exception as error:
            self._failed(record["id"] if record else "", error)
