"""What the functions read and write, as they need it. `batch.aws` has the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from jobtable.records import Record
    from retrieval import Passage


class ObjectChangedError(Exception):
    """The object was replaced or removed while it was being read."""


class SearchUnavailableError(Exception):
    """The sources could not be searched, after all retries."""


class FilterRefusedError(Exception):
    """The index did not accept the filter of a search."""


class Content(Protocol):
    """An object that is being read."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def etag(self) -> str:
        """Another one for other content."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Return the content once, in pieces that fit in memory. Raises `ObjectChangedError`."""
        ...


class Writer(Protocol):
    """An object that is being written; it exists once its context ends without an exception."""

    def write(self, data: bytes) -> None: ...


class Objects(Protocol):
    """Objects of the exchange bucket."""

    def read(self, key: str) -> Content | None:
        """Return the object as it is now, None when there is none."""
        ...

    def writer(self, key: str) -> AbstractContextManager[Writer]:
        """Write an object in pieces, in place of what was there. Without a byte, remove what was there."""
        ...

    def size(self, key: str) -> int | None:
        """Return the object's bytes, None when there is none."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with `prefix`, in order."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is passed over."""
        ...


class Jobs(Protocol):
    """Records of the jobs table."""

    def read(self, owner: str, record_id: str) -> Record | None: ...

    def change(
        self, record: Mapping[str, Any], *, allowed: Collection[str], fields: Mapping[str, Any]
    ) -> Record | None:
        """Set the fields and return the whole record; None where its status is not one of `allowed`."""
        ...

    def end(
        self, record: Mapping[str, Any], *, allowed: Collection[str], fields: Mapping[str, Any], now: int
    ) -> Record | None:
        """`change` to a final status. The client is yet to be told, where it has a webhook."""
        ...

    def notified(self, record: Mapping[str, Any], now: int) -> None:
        """Note that the client was told of the job's end; once is enough."""
        ...

    def put_new(self, record: Mapping[str, Any]) -> None:
        """Write the record; one that is there already stays as it is."""
        ...


class Webhooks(Protocol):
    def send(self, event: Mapping[str, Any]) -> None:
        """Put the event into the queue from which clients are told."""
        ...


class Sources(Protocol):
    def search(
        self, vector: Sequence[float], top_k: int, metadata_filter: Mapping[str, Any] | None
    ) -> list[Passage]:
        """Return at most `top_k` passages, most similar first. Threads may search at once.

        Raises `SearchUnavailableError`, and `FilterRefusedError`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """What the steps use."""

    objects: Objects
    jobs: Jobs
    webhooks: Webhooks
