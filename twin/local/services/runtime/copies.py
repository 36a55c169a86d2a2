"""Copies of a model: each works on a limited number of requests at once, the rest wait in its queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Copy:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.outstanding = 0
        self.slots = asyncio.Semaphore(limit)


class CopyPool:
    """The copies behind one inference component or variant."""

    def __init__(self) -> None:
        self._copies: list[_Copy] = []
        self.invocations = 0
        self.no_capacity_failures = 0

    def resize(self, count: int, limit: int) -> None:
        """Have `count` copies that take `limit` requests each; a copy that goes finishes what it has."""
        if any(copy.limit != limit for copy in self._copies):
            self._copies = []
        del self._copies[count:]
        self._copies += [_Copy(limit) for _ in range(count - len(self._copies))]

    @property
    def outstanding(self) -> list[int]:
        """Requests that each copy has, running or waiting: `ConcurrentRequestsPerCopy`."""
        return [copy.outstanding for copy in self._copies]

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A place on the copy with the fewest outstanding requests; needs at least one copy."""
        copy = min(self._copies, key=lambda candidate: candidate.outstanding)
        self.invocations += 1
        copy.outstanding += 1
        try:
            async with copy.slots:
                yield
        finally:
            copy.outstanding -= 1
