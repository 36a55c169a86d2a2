"""How long a message that failed stays out of sight."""

from __future__ import annotations

from dataclasses import dataclass

JITTER = 0.25
"""Largest part of a pause that is added or taken away, so that messages that failed together part."""

_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: they double with every failure, from the first to the longest."""

    first_seconds: int
    longest_seconds: int

    def seconds(self, receives: int, chance: float) -> int:
        """The pause after a message was received `receives` times, from 1; `chance` is between 0 and 1."""
        doubled = self.first_seconds * 2.0 ** min(receives - 1, _MOST_DOUBLINGS)
        return round(min(self.longest_seconds, doubled * (1 + JITTER * (2 * chance - 1))))
