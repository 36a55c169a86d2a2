"""What a client's webhook is told when a job ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobtable.ids import BATCH, digits
from jobtable.states import FINAL

Event = dict[str, Any]
"""`event_id`, `type`, `created_at`, `client` and `id`: a message of the webhooks' queue."""


def awaits(record: Mapping[str, Any]) -> bool:
    """Whether the job has ended and its client, who has a webhook, is yet to be told."""
    return bool(record["status"] in FINAL and record.get("client") and not record.get("notified_at"))


def ended(record: Mapping[str, Any]) -> Event:
    """The event of a job that has ended. It follows from the record alone: told twice, it says the same."""
    job, status = record["id"], record["status"]
    kind, moment = ("batch", f"{status}_at") if job.startswith(BATCH) else ("response", "ended_at")
    return {
        "event_id": f"evt_{digits(job)}",
        "type": f"{kind}.{status}",
        "created_at": record.get(moment, record["created_at"]),
        "client": record["client"],
        "id": job,
    }
