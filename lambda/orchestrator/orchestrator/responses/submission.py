"""Handing a stored response to the asynchronous endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobtable import ids, keys, states
from prompting.errors import ApiError

from orchestrator.jobs.asynchronous import MAX_INLINE_BYTES, SubmissionUnknownError, Submitted
from orchestrator.jobs.errors import JobsUnavailableError, RecordChangedError

if TYPE_CHECKING:
    from jobtable.records import Record

    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.telemetry import Record as RequestRecord

CLAIM_SECONDS = 60
"""How long a response belongs to the request that stored or claimed it. It has then been submitted, or its
request is dead: the steps in between have time limits, of 5 s for the table, 20 s for the bucket and 10 s for
the endpoint."""

_CLAIM = "claimed_at_"


def claims(record: Record) -> int:
    """How many requests have taken the response over from the one that stored it."""
    return sum(name.startswith(_CLAIM) for name in record)


def claim_field(number: int) -> str:
    """Name of the attribute that holds the time of a claim; the first has number 1."""
    return f"{_CLAIM}{number}"


def claimed_until(record: Record) -> int:
    """When the response is free to be taken over, in seconds since the epoch."""
    number = claims(record)
    since: int = record[claim_field(number)] if number else record["created_at"]
    return since + CLAIM_SECONDS


async def submit(adapters: JobAdapters, record: Record, body: bytes, about: RequestRecord) -> Record:
    """Return the record of the response that the endpoint has taken, or may have taken.

    Raises `ApiError` where it has taken nothing; then the response is gone, unless an earlier request may
    have submitted it.
    """
    try:
        submitted = await _hand_over(adapters, record, body)
    except SubmissionUnknownError as error:
        failure = JobsUnavailableError()
        failure.__cause__ = error.__cause__
        about.note(failure)
        return record
    except ApiError:
        if not claims(record):
            await withdraw(adapters, record)
        raise
    return await _note(adapters, record, submitted, about)


async def withdraw(adapters: JobAdapters, record: Record) -> None:
    """Remove the response, and what remembers its Idempotency-Key."""
    remembered = [record["idempotency"]] if record.get("idempotency") else []
    await adapters.table.delete_together(record["owner"], record["id"], *remembered)


async def _hand_over(adapters: JobAdapters, record: Record, body: bytes) -> Submitted:
    inference_id = ids.inference_id(record["owner"], record["id"])
    if len(body) <= MAX_INLINE_BYTES:
        return await adapters.asynchronous.submit(inference_id, body)
    key = keys.asynchronous_input(record["id"])
    await adapters.objects.put(key, body, "application/json")
    return await adapters.asynchronous.submit_object(inference_id, key)


async def _note(adapters: JobAdapters, record: Record, submitted: Submitted, about: RequestRecord) -> Record:
    """Note where the answer will be. The response is under way whether that succeeds or not."""
    places = {"output_key": submitted.output_key, "failure_key": submitted.failure_key}
    fields = {"submitted": True, **places}
    try:
        return await adapters.table.change(
            record["owner"], record["id"], allowed={states.QUEUED}, fields=fields
        )
    except RecordChangedError:
        return await adapters.table.get(record["owner"], record["id"]) or record
    except JobsUnavailableError as error:
        about.note(error)
        return record
