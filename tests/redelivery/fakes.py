"""A queue of which tests see what was postponed."""

from __future__ import annotations


class FakeDeliveries:
    def __init__(self) -> None:
        self.postponed: list[tuple[str, int]] = []

    def postpone(self, receipt: str, seconds: int) -> None:
        self.postponed.append((receipt, seconds))
