"""Fetching, cancelling and deleting background responses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobtable import events, ids, keys, records, states

from orchestrator.jobs.errors import JobsUnavailableError, NotFoundError, RecordChangedError
from orchestrator.jobs.idempotency import KEPT_SECONDS
from orchestrator.responses.views import HAVE_ANSWER, view

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobtable.records import Record

    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.responses.document import Document
    from orchestrator.telemetry import Record as RequestRecord


class StoredResponses:
    """The responses of each owner. Every method may raise `NotFoundError` and `JobsUnavailableError`."""

    def __init__(self, adapters: JobAdapters, *, now: Callable[[], int] = lambda: int(time.time())) -> None:
        self._adapters = adapters
        self._now = now

    async def get(self, owner: str, response_id: str) -> Document:
        return await self.view(await self._find(owner, response_id))

    async def cancel(self, owner: str, response_id: str, about: RequestRecord) -> Document:
        """End the response without an answer; one that has ended stays as it is."""
        record = await self._find(owner, response_id)
        if record["status"] in states.OPEN:
            record = await self._end(record)
        await self._announce(record, about)
        return await self.view(record)

    async def delete(self, owner: str, response_id: str, about: RequestRecord) -> Document:
        """Remove the response's record, then its objects.

        In this order, since whoever ends a response removes the objects of one that is gone. The record may
        have ended since it was found, so the objects are also those that it names at last. An object that
        cannot be removed is out of every client's reach, and goes with the retention of jobs.
        """
        found = await self._find(owner, response_id)
        if found.get("idempotency") and self._now() < found["created_at"] + KEPT_SECONDS:
            await self._adapters.table.delete(owner, found["idempotency"])
        last = await self._adapters.table.delete(owner, response_id) or found
        places = {record.get(place) for record in (found, last) for place in ("output_key", "failure_key")}
        for key in sorted(filter(None, places | {keys.asynchronous_input(response_id)})):
            try:
                await self._adapters.objects.delete(key)
            except JobsUnavailableError as error:
                about.note(error)
        return {"id": response_id, "object": "response", "deleted": True}

    async def _find(self, owner: str, response_id: str) -> Record:
        is_one = ids.is_id(response_id, ids.RESPONSE)
        record = await self._adapters.table.get(owner, response_id) if is_one else None
        if record is None or record["delete_at"] <= self._now():
            raise NotFoundError("response", response_id)
        return record

    async def _end(self, record: Record) -> Record:
        """Cancel, unless another status was first."""
        now = self._now()
        fields = records.ending(record, {"status": states.CANCELLED, "ended_at": now}, now)
        owner, response_id = record["owner"], record["id"]
        try:
            return await self._adapters.table.change(owner, response_id, allowed=states.OPEN, fields=fields)
        except RecordChangedError:
            return await self._find(owner, response_id)

    async def _announce(self, record: Record, about: RequestRecord) -> None:
        """Tell the client's webhook. Where that fails the sweeper does it, within minutes."""
        if not events.awaits(record):
            return
        fields = {"notified_at": self._now()}
        try:
            await self._adapters.webhooks.send(events.ended(record))
            await self._adapters.table.change(
                record["owner"], record["id"], allowed=states.FINAL, fields=fields, absent="notified_at"
            )
        except JobsUnavailableError as error:
            about.note(error)
        except RecordChangedError:
            pass

    async def view(self, record: Record) -> Document:
        """The response as the record says, with its answer if there is one."""
        key = record.get("output_key") if record["status"] in HAVE_ANSWER else None
        return view(record, await self._adapters.objects.get(key) if key else None)
