"""Accepting background responses.

A response is stored first and submitted second. Whoever dies in between leaves a record that is not
`submitted`: a repetition with the same Idempotency-Key goes on from it, and otherwise the sweeper ends it.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobtable import ids, states

from orchestrator.jobs.errors import JobsUnavailableError, RecordChangedError, RecordExistsError
from orchestrator.jobs.idempotency import first_job, idempotency_record
from orchestrator.responses.document import echo_of
from orchestrator.responses.errors import BeingSubmittedError, RecordTooLargeError
from orchestrator.responses.parsing import in_our_names, to_chat
from orchestrator.responses.submission import claim_field, claimed_until, claims, submit
from orchestrator.responses.views import passages
from orchestrator.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jobtable.records import Record

    from orchestrator.chat import Chat, Prepared
    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.responses.request import ResponsesRequest
    from orchestrator.telemetry import Record as RequestRecord

MARGIN_SECONDS = 300
"""Time for the outcome to be told, after which the sweeper looks for it."""

WAIT_SECONDS = 5.0
"""How long a repetition waits for the first request to submit the response."""

LOOK_SECONDS = 0.1
ATTEMPTS = 4
MAX_RECORD_BYTES = 350_000
"""A record of the table holds 400 KB, names and the answer's usage among them."""

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a background response, by whom, and as it was sent. `key` is its Idempotency-Key."""

    owner: str
    request: ResponsesRequest
    body: bytes
    key: str | None
    about: RequestRecord


class Acceptance:
    """Accepts background responses under one environment's settings."""

    def __init__(
        self,
        environment: Environment,
        chat: Chat,
        adapters: JobAdapters,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._environment = environment
        self._chat = chat
        self._adapters = adapters
        self._now_ms = now_ms
        self._sleep = sleep

    async def create(self, asked: Asked) -> Record:
        """Return the record of the response that was accepted, now or with the same key before.

        Raises `ApiError`, after which a request with the same key may be sent again.
        """
        for _ in range(ATTEMPTS):
            record = await self._first(asked)
            if record is None:
                record = await self._store(asked)
            elif not _under_way(record):
                record = await self._await_or_claim(asked, record)
            if record is not None:
                return record
        raise JobsUnavailableError

    async def _first(self, asked: Asked) -> Record | None:
        """The response that the key was first used for. It is gone where its submission failed."""
        if asked.key is None:
            return None
        table, now = self._adapters.table, self._now()
        first = await first_job(table, asked.owner, asked.key, asked.body, ids.RESPONSE, now)
        return None if first is None else await table.get(asked.owner, first)

    async def _store(self, asked: Asked) -> Record | None:
        """Store and submit a new response; None where another request has just used the key."""
        prepared = await self._prepare(asked)
        record = self._record(asked, prepared)
        beside: list[Record] = []
        if asked.key is not None:
            remembered = idempotency_record(
                asked.owner, asked.key, asked.body, record["id"], record["created_at"]
            )
            record["idempotency"] = remembered["id"]
            beside.append(remembered)
        try:
            await self._adapters.table.put_new(record, *beside)
        except RecordExistsError:
            return None
        return await submit(self._adapters, record, to_json(prepared.body), asked.about)

    async def _await_or_claim(self, asked: Asked, record: Record) -> Record | None:
        """Wait for another request to submit the response, or take its place if it is dead.

        None where the response is gone, or another request was faster.
        """
        waited = 0.0
        while not _under_way(record):
            if claimed_until(record) <= self._now():
                return await self._claim(asked, record)
            if waited >= WAIT_SECONDS:
                left = claimed_until(record) - self._now_ms() / 1000
                raise BeingSubmittedError(retry_after=max(1, math.ceil(left)))
            await self._sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS
            found = await self._adapters.table.get(record["owner"], record["id"])
            if found is None:
                return None
            record = found
        return record

    async def _claim(self, asked: Asked, record: Record) -> Record | None:
        """Submit again what may not have been submitted.

        The prompt is made from the sources of the record. So the answer cites these, whichever of the two
        submissions it comes from.
        """
        with in_our_names():
            prepared = self._chat.prepare_again(to_chat(asked.request), passages(record))
        field = claim_field(claims(record) + 1)
        now = self._now()
        fields = {field: now, "due_at": self._due_at(now)}
        try:
            record = await self._adapters.table.change(
                record["owner"],
                record["id"],
                allowed={states.QUEUED},
                fields=fields,
                absent=field,
                equal={"submitted": False},
            )
        except RecordChangedError:
            return None
        return await submit(self._adapters, record, to_json(prepared.body), asked.about)

    async def _prepare(self, asked: Asked) -> Prepared:
        with in_our_names():
            return await self._chat.prepare(to_chat(asked.request), asked.about)

    def _record(self, asked: Asked, prepared: Prepared) -> Record:
        now_ms = self._now_ms()
        now = now_ms // 1000
        documents = {
            "metadata": asked.request.metadata or {},
            "request": echo_of(asked.request),
            "sources": prepared.about_sources["search_results"],
        }
        if (size := len(to_json(documents))) > MAX_RECORD_BYTES:
            raise RecordTooLargeError(size, MAX_RECORD_BYTES)
        return {
            "owner": asked.owner,
            "id": ids.new_id(ids.RESPONSE, now_ms),
            "status": states.QUEUED,
            "created_at": now,
            "open": "response",
            "due_at": self._due_at(now),
            "delete_at": now + (self._environment.job_retention_days or 0) * _DAY,
            "model": asked.request.model,
            **documents,
            "grounded": prepared.about_sources["grounded"],
            "submitted": False,
            "client": self._environment.webhook_clients.get(asked.owner),
        }

    def _due_at(self, now: int) -> int:
        environment = self._environment
        times = environment.async_request_ttl_seconds, environment.async_invocation_timeout_seconds
        return now + sum(time or 0 for time in times) + MARGIN_SECONDS

    def _now(self) -> int:
        return self._now_ms() // 1000


def _under_way(record: Record) -> bool:
    """Whether the response was submitted, or has come to its end without."""
    return bool(record["submitted"]) or record["status"] != states.QUEUED
