"""The exclusive right to change one corpus object's vectors.

S3 Vectors has no conditional writes, so two invocations that index the same object could mix their vectors.
The state object in S3 has them: it carries a lease that only one invocation can write. Events that arrive
during a lease are not indexed by their own invocation but noted in the state, and the lease's owner looks
again before it ends. An owner that dies is succeeded after its lease, by the retry of its own message.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingestion.state import IndexState, Lease
from ingestion.stores import StateConflictError

if TYPE_CHECKING:
    from ingestion.stores import States


class LeaseLostError(Exception):
    """The lease ended while its owner was still working, so somebody else may work on the object now."""


class Claim:
    """A lease that is held on one object, and the state as its owner last wrote it."""

    def __init__(self, states: States, key: str, state: IndexState, etag: str) -> None:
        self._states = states
        self._key = key
        self._etag = etag
        self.state = state

    @classmethod
    def acquire(
        cls, states: States, key: str, state: IndexState, expected: str | None, lease: Lease
    ) -> Claim | None:
        """Write `state` with the lease. Return None when somebody else wrote first: look again."""
        claimed = replace(state, lease=lease, pending=False)
        try:
            etag = states.write(key, claimed.to_json(), expected)
        except StateConflictError:
            return None
        return cls(states, key, claimed, etag)

    def save(self, state: IndexState) -> None:
        """Record progress. Raises `LeaseLostError`."""
        self._write(replace(state, lease=self.state.lease, pending=self.state.pending))

    def release(self, state: IndexState) -> bool:
        """Write the result and end the lease. Return False when an event came, and keep the lease then.

        Raises `LeaseLostError`.
        """
        if not self.state.pending:
            self._write(replace(state, lease=None, pending=False))
            if not self.state.pending:
                return True
        self._write(replace(state, lease=self.state.lease, pending=False))
        return False

    def abandon(self) -> None:
        """End the lease after a failure, so that a retry need not wait for its end."""
        self._write(replace(self.state, lease=None, pending=False))

    def _write(self, state: IndexState) -> None:
        try:
            self._etag = self._states.write(self._key, state.to_json(), self._etag)
        except StateConflictError:
            self._note_event(state)
        else:
            self.state = state

    def _note_event(self, state: IndexState) -> None:
        """Write again after an event was noted, keeping lease and note. Others note only once."""
        lease = self.state.lease
        stored = self._states.read(self._key)
        current = IndexState.from_json(stored.content) if stored else IndexState()
        if stored is None or lease is None or current.lease != lease:
            raise LeaseLostError(f"the lease on the vectors of {self._key} was lost")
        noted = replace(state, lease=lease, pending=True)
        try:
            self._etag = self._states.write(self._key, noted.to_json(), stored.etag)
        except StateConflictError:
            raise LeaseLostError(f"the lease on the vectors of {self._key} was lost") from None
        self.state = noted


def note_event(states: States, key: str, state: IndexState, expected: str) -> bool:
    """Tell the lease's owner to look again. Return False when the state changed: look again yourself."""
    if state.pending:
        return True
    try:
        states.write(key, replace(state, pending=True).to_json(), expected)
    except StateConflictError:
        return False
    return True
