"""What the function reads and writes, as it needs it. `ingestion.aws` has the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """An object of the corpus bucket without its content; `metadata` is the uploader's."""

    etag: str
    size: int
    """Bytes."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VectorRecord:
    """One vector of the index."""

    key: str
    data: Sequence[float]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredState:
    """The JSON text of a state, with the ETag that a conditional write names."""

    content: str
    etag: str


class StateConflictError(Exception):
    """The state is no longer the one that the write expected: somebody else wrote in between."""


class Corpus(Protocol):
    def head(self, key: str) -> ObjectHead | None:
        """Return the object as it is now, None when there is none."""
        ...

    def body(self, key: str, etag: str) -> bytes | None:
        """Return the content, None when the object is gone or no longer has this ETag."""
        ...


class States(Protocol):
    def read(self, key: str) -> StoredState | None:
        """Return the state of a corpus object, None when there is none."""
        ...

    def write(self, key: str, content: str, expected: str | None) -> str:
        """Replace the state whose ETag is `expected`, or create it when None; return the new ETag.

        Raises `StateConflictError`, having written nothing, when the state is another.
        """
        ...


class Vectors(Protocol):
    def put(self, records: Sequence[VectorRecord]) -> None:
        """Insert the vectors, replacing those of the same keys."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the vectors; keys that do not exist are passed over."""
        ...


class DeadLetters(Protocol):
    def send(self, message: Mapping[str, Any]) -> None:
        """Send a JSON object to the dead-letter queue."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    corpus: Corpus
    states: States
    vectors: Vectors
    dead_letters: DeadLetters
