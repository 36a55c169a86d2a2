"""Requests that wait or run, one queue per endpoint: kept in the services' database until they have ended."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable

from twin.local.services.asynchronous.requests import AsyncRequest
from twin.local.services.storage import Database


class Backlog:
    """FIFO queues. A request that was taken and not removed waits again after a restart."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS async_requests "
            "(number INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL, body BLOB)"
        )
        self._requests: dict[int, AsyncRequest] = {}
        self._waiting: dict[str, deque[int]] = {}
        for number, text in self._connection.execute(
            "SELECT number, request FROM async_requests ORDER BY number"
        ):
            self._append(number, AsyncRequest(**json.loads(text)))

    def add(self, request: AsyncRequest, body: bytes) -> int:
        """Store a request at the end of its endpoint's queue; its number."""
        cursor = self._connection.execute(
            "INSERT INTO async_requests (request, body) VALUES (?, ?)",
            (json.dumps(request.as_json()), body or None),
        )
        number = int(cursor.lastrowid or 0)
        self._append(number, request)
        return number

    def _append(self, number: int, request: AsyncRequest) -> None:
        self._requests[number] = request
        self._waiting.setdefault(request.endpoint, deque()).append(number)

    def take(self, endpoint: str) -> tuple[int, AsyncRequest] | None:
        """The oldest waiting request, which no longer waits then."""
        waiting = self._waiting.get(endpoint)
        while waiting:
            number = waiting.popleft()
            request = self._requests.get(number)
            if request is not None:  # a deleted endpoint's queue goes from another thread
                return number, request
        return None

    def take_expired(self, endpoint: str, now: float) -> list[tuple[int, AsyncRequest]]:
        """Waiting requests whose time to live has passed; they no longer wait then."""
        waiting = self._waiting.get(endpoint, deque())
        pairs = [(number, self._requests.get(number)) for number in list(waiting)]
        expired = [(number, request) for number, request in pairs if request and request.expires <= now]
        for number, _ in expired:
            waiting.remove(number)
        return expired

    def body(self, number: int) -> bytes | None:
        """The inline body of a request that has one."""
        row = self._connection.execute(
            "SELECT body FROM async_requests WHERE number = ?", (number,)
        ).fetchone()
        return row[0] if row else None

    def holds(self, number: int) -> bool:
        """Whether a request has neither ended nor been dropped."""
        return number in self._requests

    def remove(self, number: int) -> None:
        """Forget a request that has ended."""
        self._requests.pop(number, None)
        self._connection.execute("DELETE FROM async_requests WHERE number = ?", (number,))

    def drop(self, endpoint: str) -> None:
        """Forget every request of an endpoint, those that run included."""
        self._waiting.pop(endpoint, None)
        for number in [number for number, row in self._requests.items() if row.endpoint == endpoint]:
            self.remove(number)

    def waiting(self, endpoint: str) -> int:
        """How many requests wait: `ApproximateBacklogSize` without those that run."""
        return len(self._waiting.get(endpoint, ()))

    def endpoints(self) -> Iterable[str]:
        """Endpoints whose queue is not empty."""
        return [endpoint for endpoint, waiting in self._waiting.items() if waiting]
