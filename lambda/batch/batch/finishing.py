"""The last step: the batch's final status, its files, and that its client is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobtable import keys
from jobtable.states import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    FINAL,
    FINALIZING,
    IN_PROGRESS,
    VALIDATING,
)

from batch.endings import TIMED_OUT, ConflictError, announce, file_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobtable.records import Record

    from batch.endings import FileKind
    from batch.stores import Stores

SECONDS_PER_DAY = 86_400

_MESSAGES = {
    FAILED: "The batch failed. Lines without an answer are in the error file; send them in a new batch.",
    EXPIRED: "The batch took too long. Lines without an answer are in the error file; "
    "send them in a new batch.",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """The batch's record, None where there is none, and whether this run ended it."""

    record: Record | None
    ended: bool = False


class Finisher:
    """Ends batches. The files are kept for `retention_days`."""

    def __init__(self, stores: Stores, retention_days: int, now: int) -> None:
        self._stores = stores
        self._retention_seconds = retention_days * SECONDS_PER_DAY
        self._now = now

    def finish(
        self, owner: str, batch_id: str, failure: str | None, counts: Mapping[str, int] | None
    ) -> Finished:
        """End the batch, unless it has ended already.

        `failure` names what ended a step before; without `counts` the lines could not be joined.
        """
        record = self._stores.jobs.read(owner, batch_id)
        if record is None:
            return Finished(None)
        if record["status"] in FINAL:
            announce(self._stores, record, self._now)
            return Finished(record)
        fields = self._files(record)
        if counts is not None:
            fields["request_counts"] = dict(counts)
        ended = self._end(record, failure, fields)
        if ended is None:
            raise ConflictError(f"{batch_id} changed while it was finished")
        announce(self._stores, ended, self._now)
        return Finished(ended, ended=True)

    def _end(self, record: Record, failure: str | None, fields: dict[str, Any]) -> Record | None:
        """A batch that is being cancelled becomes cancelled, whatever else happened."""
        status = COMPLETED if failure is None else EXPIRED if failure == TIMED_OUT else FAILED
        ending = {**fields, "status": status, f"{status}_at": self._now}
        if status in _MESSAGES:
            error = {"code": f"batch_{status}", "message": _MESSAGES[status], "line": None, "param": None}
            ending["errors"] = [error]
        cancelled = {**fields, "status": CANCELLED, "cancelled_at": self._now}
        jobs = self._stores.jobs
        running = {VALIDATING, IN_PROGRESS, FINALIZING}
        return jobs.end(record, allowed=running, fields=ending, now=self._now) or jobs.end(
            record, allowed={CANCELLING}, fields=cancelled, now=self._now
        )

    def _files(self, record: Record) -> dict[str, Any]:
        """Record the files that exist; return the batch's fields that name them."""
        kinds: tuple[FileKind, ...] = ("output", "error")
        return {f"{kind}_file_id": made for kind in kinds if (made := self._file(record, kind))}

    def _file(self, record: Record, kind: FileKind) -> str | None:
        owner, batch_id = record["owner"], record["id"]
        made = file_id(batch_id, kind)
        size = self._stores.objects.size(keys.file(owner, made))
        if size is None:
            return None
        self._stores.jobs.put_new(
            {
                "owner": owner,
                "id": made,
                "status": "processed",
                "filename": f"{batch_id}_{kind}.jsonl",
                "purpose": "batch_output",
                "bytes": size,
                "created_at": self._now,
                "delete_at": self._now + self._retention_seconds,
            }
        )
        return made
