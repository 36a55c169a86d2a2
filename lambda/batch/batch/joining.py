"""The fifth step: answers and errors become the output file and the error file, in the input's order.

Three sources are merged by line number, one line of each in memory: what validation rejected, what
augmentation knows of each line, and what the transform job wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from jobtable import keys
from jobtable.states import CANCELLED, CANCELLING, FINALIZING, IN_PROGRESS, VALIDATING

from batch.answers import Answer, from_model
from batch.endings import TIMED_OUT, file_id
from batch.lines import documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobtable.records import Record

    from batch.stores import Objects, Stores

_TRANSFORMED = ".out"

FAILED_LINE = {
    "code": "batch_failed",
    "message": "the batch failed before this line was answered. Send the line again in a new batch.",
}
CANCELLED_LINE = {
    "code": "batch_cancelled",
    "message": "the batch was cancelled before this line was answered.",
}
EXPIRED_LINE = {
    "code": "batch_expired",
    "message": "the batch took too long, and ended before this line was answered. "
    "Send the line again in a new batch.",
}
NOT_AUGMENTED_LINE = {
    "code": "augmentation_failed",
    "message": "its sources could not be found in time. Send the line again in a new batch.",
}


@dataclass(frozen=True, slots=True)
class Joined:
    """Lines by result."""

    completed: int = 0
    failed: int = 0

    def counts(self) -> dict[str, int]:
        return {"total": self.completed + self.failed, "completed": self.completed, "failed": self.failed}


def join(stores: Stores, owner: str, batch_id: str, failure: str | None, now: int) -> Joined:
    """Write both files; a file without lines does not exist. `failure` names what ended the step before."""
    record = stores.jobs.read(owner, batch_id)
    if record is None:
        return Joined()
    fields = {"status": FINALIZING, "finalizing_at": now}
    changed = stores.jobs.change(record, allowed={VALIDATING, IN_PROGRESS}, fields=fields)
    current = changed or stores.jobs.read(owner, batch_id) or record
    merged = _Merge(stores.objects, current, failure)
    completed = failed = 0
    with (
        stores.objects.writer(keys.file(owner, file_id(batch_id, "output"))) as output,
        stores.objects.writer(keys.file(owner, file_id(batch_id, "error"))) as errors,
    ):
        for answer in merged.answers():
            if answer.error is None:
                output.write(answer.encoded(batch_id))
                completed += 1
            else:
                errors.write(answer.encoded(batch_id))
                failed += 1
    return Joined(completed, failed)


class _Merge:
    """The answers of one batch, by line."""

    def __init__(self, objects: Objects, record: Record, failure: str | None) -> None:
        self._objects = objects
        self._batch_id = record["id"]
        self._validated = "shards" in record
        self._shards = range(record.get("shards", 0))
        self._missing, self._not_augmented = FAILED_LINE, NOT_AUGMENTED_LINE
        if record["status"] in {CANCELLING, CANCELLED}:
            self._missing = self._not_augmented = CANCELLED_LINE
        elif failure == TIMED_OUT:
            self._missing = self._not_augmented = EXPIRED_LINE

    def answers(self) -> Iterator[Answer]:
        """Nothing, where validation did not come to its end: the shards may lack lines then."""
        if not self._validated:
            return iter(())
        return merge(self._accepted(), self._rejected(), key=attrgetter("line"))

    def _rejected(self) -> Iterator[Answer]:
        for line in self._read(keys.rejected(self._batch_id)) or ():
            error = {"code": line["code"], "message": line["message"]}
            yield Answer(line["line"], line["custom_id"], error=error)

    def _accepted(self) -> Iterator[Answer]:
        outputs = {
            PurePosixPath(key).name.removesuffix(_TRANSFORMED): key
            for key in self._objects.keys(keys.transform_output(self._batch_id))
            if key.endswith(_TRANSFORMED)
        }
        for shard in self._shards:
            name = PurePosixPath(keys.transform_shard(self._batch_id, shard)).name
            yield from self._shard(shard, outputs.get(name))

    def _shard(self, shard: int, output_key: str | None) -> Iterator[Answer]:
        known = self._read(keys.context(self._batch_id, shard))
        if known is None:
            for line in self._read(keys.lines(self._batch_id, shard)) or ():
                yield Answer(line["line"], line["custom_id"], error=self._not_augmented)
            return
        outputs = _Outputs(self._read(output_key) if output_key else None)
        for line in known:
            if error := line.get("error"):
                yield Answer(line["line"], line["custom_id"], error=error)
            elif (output := outputs.of(line["line"])) is not None:
                yield from_model(line, output.get("SageMakerOutput"))
            else:
                yield Answer(line["line"], line["custom_id"], error=self._missing)

    def _read(self, key: str) -> Iterator[dict[str, Any]] | None:
        content = self._objects.read(key)
        return None if content is None else documents(content.chunks())


class _Outputs:
    """What the transform job wrote for a shard, asked for by rising line numbers."""

    def __init__(self, outputs: Iterator[dict[str, Any]] | None) -> None:
        self._outputs = outputs or iter(())
        self._current: Mapping[str, Any] | None = next(self._outputs, None)

    def of(self, line: int) -> Mapping[str, Any] | None:
        """The line's output; None where there is none."""
        while self._current is not None and not _reaches(self._current, line):
            self._current = next(self._outputs, None)
        return self._current if self._current is not None and self._current["line"] == line else None


def _reaches(output: Mapping[str, Any], line: int) -> bool:
    number = output.get("line")
    return isinstance(number, int) and number >= line
