"""How a batch ends: its last status, and that its client is told."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from jobtable import events
from jobtable.ids import FILE, digits

if TYPE_CHECKING:
    from jobtable.records import Record

    from batch.stores import Stores

FileKind = Literal["output", "error"]

TIMED_OUT = "States.Timeout"
"""Step Functions' name for what took longer than it may."""


class ConflictError(Exception):
    """The batch was changed meanwhile; a retry of the step goes on from what it is now."""


def file_id(batch_id: str, kind: FileKind) -> str:
    """Id of a batch's output or error file. It follows from the batch, so that every run of a step has it.

    It begins with the batch's time of creation: lists of files are sorted by id.
    """
    unique = hashlib.sha256(f"{batch_id}/{kind}".encode()).hexdigest()[:20]
    return f"{FILE}{digits(batch_id)[:12]}{unique}"


def announce(stores: Stores, record: Record, now: int) -> None:
    """Tell the client of the batch's end, where it has a webhook and was not told before.

    Sent before it is noted: a run that dies in between tells it twice, with the same event id.
    """
    if events.awaits(record):
        stores.webhooks.send(events.ended(record))
        stores.jobs.notified(record, now)
