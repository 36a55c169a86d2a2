"""Telling a client's webhook, once in the record and at least once in the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobtable import events

if TYPE_CHECKING:
    from jobtable.records import Record

    from jobs.stores import Stores


def announce(stores: Stores, record: Record, now: int) -> None:
    """Enqueue the event of a job that has ended, unless that was done or nobody wants it.

    The event goes out before it is noted: after a crash in between it goes out again, the same.
    """
    if events.awaits(record):
        stores.events.send(events.ended(record))
        stores.jobs.notified(record, now)
