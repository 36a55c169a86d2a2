"""`Idempotency-Key`: a request that is sent again gets what it got the first time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from jobtable import ids
from prompting.errors import InvalidRequestError

if TYPE_CHECKING:
    from jobtable.records import Record

    from orchestrator.jobs.table import JobsTable

KEPT_SECONDS = 86_400


class KeyReusedError(InvalidRequestError):
    """The key was used before, for another request."""

    code = "idempotency_key_reused"
    message = (
        "This Idempotency-Key was used for a request with another body. Use a new key for a new request."
    )


def idempotency_record(owner: str, key: str, body: bytes, job_id: str, created_at: int) -> Record:
    """What is stored beside the job that a request with the key creates; `created_at` in seconds."""
    return {
        "owner": owner,
        "id": ids.idempotency_id(key),
        "request_hash": _hash(body),
        "job_id": job_id,
        "created_at": created_at,
        "delete_at": created_at + KEPT_SECONDS,
    }


async def first_job(
    table: JobsTable, owner: str, key: str, body: bytes, prefix: ids.Prefix, now: int
) -> str | None:
    """Id of the job that the key was first used for, or None if it is new, or was used long ago.

    `now` is in seconds since the epoch. Raises `KeyReusedError` where the body, or the kind of job, was
    another one.
    """
    record = await table.get(owner, ids.idempotency_id(key))
    if record is None or record["delete_at"] <= now:
        return None
    job_id = str(record["job_id"])
    if record["request_hash"] != _hash(body) or not ids.is_id(job_id, prefix):
        raise KeyReusedError
    return job_id


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
