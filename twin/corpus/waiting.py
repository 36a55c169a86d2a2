"""Waiting until everything is searchable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from twin.corpus.bucket import RemoteObject
from twin.corpus.errors import StalledError
from twin.corpus.index_state import IndexRecord
from twin.corpus.report import DocumentError, Progress

POLL_SECONDS = 0.5
STALL_SECONDS = 300.0
"""Time without any change after which indexing is taken to have stopped."""

_NAMED = 5


class Records(Protocol):
    def read(self) -> Mapping[str, IndexRecord]:
        """Records by the key of the corpus object."""
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` gives seconds from any start; `sleep` waits for some."""

    now: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Indexed:
    """How many documents are searchable, and which are in error."""

    documents: int
    errors: tuple[DocumentError, ...]


def wait_until_indexed(
    expected: Mapping[str, RemoteObject | None],
    records: Records,
    clock: Clock,
    progress: Callable[[Progress], None],
    stall_seconds: float = STALL_SECONDS,
) -> Indexed:
    """Return when the index has every expected object, and nothing of the keys that map to None.

    Raises:
        StalledError: no record changed for `stall_seconds`.
    """
    last: dict[str, IndexRecord] = {}
    changed_at = clock.now()
    while True:
        found = records.read()
        current = {key: found[key] for key in expected if key in found}
        if current != last:
            last, changed_at = current, clock.now()
        missing = sorted(key for key, each in expected.items() if not _is_indexed(current.get(key), each))
        documents = sum(each.documents for each in current.values())
        progress(Progress("index", len(expected) - len(missing), len(expected), documents))
        if not missing:
            errors = [error for key in sorted(current) for error in current[key].errors]
            return Indexed(documents, tuple(errors))
        if clock.now() - changed_at >= stall_seconds:
            raise StalledError(_stalled(missing, len(expected), stall_seconds))
        clock.sleep(POLL_SECONDS)


def _is_indexed(record: IndexRecord | None, expected: RemoteObject | None) -> bool:
    return record.is_of(expected) if record else expected is None


def _stalled(missing: list[str], total: int, seconds: float) -> str:
    named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
    return (
        f"nothing was indexed for {seconds:.0f} s, and {len(missing)} of {total} files are not searchable: "
        f"{named}. The ingestion function's log and its dead-letter queue say why."
    )
