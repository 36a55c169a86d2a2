"""The first step: the client's file becomes shards of accepted lines and a list of rejected ones.

The file is read twice, since the number of its lines decides on the size of the shards. Nothing of it
stays in memory but a digest of each custom_id.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from jobtable import keys
from jobtable.states import CANCELLED, CANCELLING, FAILED, FINAL, IN_PROGRESS, VALIDATING

from batch.endings import ConflictError, announce
from batch.lines import split
from batch.requests import Checker, NotAnObjectError, Rejected, expected
from batch.stores import ObjectChangedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobtable.records import Record

    from batch.lines import Line
    from batch.stores import Content, Objects, Stores, Writer

MAX_FILE_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may be, and how it is split."""

    model: str
    max_lines: int
    lines_per_shard: int
    instances: int
    """Instances of the transform job. An object is worked on by one of them, so they are the least shards."""

    def shards(self, lines: int) -> int:
        """The least multiple of the instances that makes shards small enough, at most one for each line."""
        return min(lines, self.instances * _quotient(lines, self.instances * self.lines_per_shard))


@dataclass(frozen=True, slots=True)
class Validated:
    """`total` counts all lines, the rejected ones among them. `ended` is the record that this run ended."""

    valid: bool
    shards: int = 0
    total: int = 0
    ended: Record | None = None


class InvalidFileError(Exception):
    """The file as a whole cannot be a batch."""

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"Line {line}: {message}")
        self.code = code
        self.line = line

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": str(self), "line": self.line, "param": "input_file_id"}


def validate(stores: Stores, limits: Limits, owner: str, batch_id: str, now: int) -> Validated:
    """Run the step. A run that has come to its end is not repeated: the record has its result."""
    record = stores.jobs.read(owner, batch_id)
    if record is None:
        return Validated(valid=False)
    if (known := _known(stores, record, now)) is not None:
        return known
    if record["status"] == CANCELLING:
        return Validated(valid=True)
    try:
        shards, total = _split(stores.objects, limits, record)
    except InvalidFileError as error:
        return _refuse(stores, record, error, now)
    return _begin(stores, record, shards, total, now)


def _known(stores: Stores, record: Record, now: int) -> Validated | None:
    """The result of an earlier run."""
    if record["status"] in FINAL:
        announce(stores, record, now)
        return Validated(valid=False)
    if "shards" in record:
        return Validated(valid=True, shards=record["shards"], total=record["request_counts"]["total"])
    return None


def _begin(stores: Stores, record: Record, shards: int, total: int, now: int) -> Validated:
    counts = {"total": total, "completed": 0, "failed": 0}
    result = {"request_counts": counts, "shards": shards}
    begun = {**result, "status": IN_PROGRESS, "in_progress_at": now}
    changed = stores.jobs.change(record, allowed={VALIDATING}, fields=begun) or stores.jobs.change(
        record, allowed={CANCELLING}, fields=result
    )
    return Validated(valid=True, shards=shards, total=total) if changed else _reread(stores, record, now)


def _refuse(stores: Stores, record: Record, error: InvalidFileError, now: int) -> Validated:
    failed = {"status": FAILED, "failed_at": now, "errors": [error.body()]}
    cancelled = {"status": CANCELLED, "cancelled_at": now}
    ended = stores.jobs.end(record, allowed={VALIDATING}, fields=failed, now=now) or stores.jobs.end(
        record, allowed={CANCELLING}, fields=cancelled, now=now
    )
    if ended is None:
        return _reread(stores, record, now)
    announce(stores, ended, now)
    return Validated(valid=False, ended=ended)


def _reread(stores: Stores, record: Record, now: int) -> Validated:
    """The result where somebody else was faster."""
    current = stores.jobs.read(record["owner"], record["id"])
    known = Validated(valid=False) if current is None else _known(stores, current, now)
    if known is None:
        raise ConflictError(f"{record['id']} changed while it was validated")
    return known


def _split(objects: Objects, limits: Limits, record: Record) -> tuple[int, int]:
    """Write the shards and the rejected lines; return the numbers of shards and lines."""
    key = keys.file(record["owner"], record["input_file_id"])
    content = objects.read(key)
    if content is None:
        message = f"The file '{record['input_file_id']}' has no content. Upload it, and create a new batch."
        raise InvalidFileError("missing_file", message)
    total = _survey(content, limits)
    again = objects.read(key)
    if again is None or again.etag != content.etag:
        raise ObjectChangedError(key)
    lines = (line for line in split(again.chunks()) if not line.blank)
    batch_id, places, shards = record["id"], limits.shards(total), 0
    with objects.writer(keys.rejected(batch_id)) as rejected:
        accepted = _accepted(lines, limits.model, rejected)
        # Equal parts of all lines; one whose lines were all rejected is no shard.
        for _, part in groupby(accepted, key=lambda line: line[0] * places // total):
            with objects.writer(keys.lines(batch_id, shards)) as shard:
                for _, encoded in part:
                    shard.write(encoded)
            shards += 1
    return shards, total


def _survey(content: Content, limits: Limits) -> int:
    """The number of lines that are not blank. Raises `InvalidFileError`."""
    if content.size > MAX_FILE_BYTES:
        message = f"The file has {content.size} bytes; at most {MAX_FILE_BYTES} are accepted. Split it."
        raise InvalidFileError("file_too_large", message)
    total = 0
    for line in split(content.chunks()):
        _require_text(line)
        if line.blank:
            continue
        total += 1
        if total == 1 and line.content is not None and line.content.strip() == b"[":
            message = f"the file is a JSON array, not JSON Lines. {expected(limits.model)}"
            raise InvalidFileError("invalid_json_line", message, line.number)
        if total > limits.max_lines:
            message = f"the file has more than {limits.max_lines} lines. Split it into several batches."
            raise InvalidFileError("too_many_lines", message, line.number)
    if total == 0:
        raise InvalidFileError("empty_file", f"the file is empty. {expected(limits.model)}", 1)
    return total


def _require_text(line: Line) -> None:
    try:
        (line.content or b"").decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start + 1} of the line. Save the file as UTF-8 text."
        raise InvalidFileError("invalid_encoding", message, line.number) from None


def _accepted(lines: Iterator[Line], model: str, rejected: Writer) -> Iterator[tuple[int, bytes]]:
    """The accepted lines as they are stored, with their places among all; the others go to `rejected`.

    Raises `InvalidFileError` at the end when no line was a JSON object.
    """
    checker = Checker(model)
    first: InvalidFileError | None = None
    objects = False
    for place, line in enumerate(lines):
        checked = checker.check(line)
        if isinstance(checked, Rejected):
            rejected.write(checked.encoded)
            if isinstance(checked.error, NotAnObjectError):
                first = first or InvalidFileError(checked.error.code, checked.error.message, line.number)
            else:
                objects = True
        else:
            objects = True
            yield place, checked.encoded
    if first is not None and not objects:
        raise first


def _quotient(dividend: int, divisor: int) -> int:
    """Rounded up."""
    return -(-dividend // divisor)
