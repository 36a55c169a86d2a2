"""What the functions read and write, as they need it. `jobs.aws` has the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jobtable.events import Event
    from jobtable.records import Kind, Record


@dataclass(frozen=True, slots=True)
class Due:
    """Owners and ids of jobs that are due, and what continues after them; None when there are no more."""

    jobs: Sequence[tuple[str, str]]
    next: Any = None


class Jobs(Protocol):
    def get(self, owner: str, job_id: str) -> Record | None:
        """Return the record as it is now, None when there is none."""
        ...

    def end(
        self, record: Record, fields: Mapping[str, Any], now: int, *, allowed: Collection[str]
    ) -> Record | None:
        """Set the final status in `fields` while the status is one of `allowed`; None when it was not.

        Returns the whole record as it is then.
        """
        ...

    def notified(self, record: Record, now: int) -> bool:
        """Note that the client was told; False when that was noted before, or the job is gone."""
        ...

    def defer(self, record: Record, due_at: int) -> bool:
        """Have an open job looked at again at `due_at`; False when it has ended."""
        ...

    def due(self, kind: Kind, now: int, start: Any = None) -> Due:
        """Return a page of the jobs that are due, longest overdue first."""
        ...


class Objects(Protocol):
    def read(self, key: str, limit: int) -> bytes | None:
        """Return at most the first `limit` bytes of an object, None when there is none."""
        ...

    def delete(self, keys: Collection[str]) -> None:
        """Delete the objects; keys that do not exist are passed over."""
        ...


class Events(Protocol):
    def send(self, event: Event) -> None:
        """Put an event into the queue of the webhooks."""
        ...


class Executions(Protocol):
    def status(self, name: str) -> str | None:
        """Return the status of the execution of that name, None when there is none."""
        ...

    def start(self, name: str, document: Mapping[str, Any]) -> None:
        """Start an execution; one of that name that exists is left as it is."""
        ...


class Transforms(Protocol):
    def stop(self, name: str) -> bool:
        """Stop a transform job; False when there is none of that name, or it has ended."""
        ...


class Secrets(Protocol):
    def read(self, secret_id: str) -> str:
        """Return the text of a secret, as it is or was a while ago."""
        ...

    def forget(self, secret_id: str) -> None:
        """Read the secret anew the next time."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """What settling jobs needs."""

    jobs: Jobs
    objects: Objects
    events: Events
