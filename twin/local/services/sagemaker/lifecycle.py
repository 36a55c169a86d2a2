"""Resources that take time: a status that turns into the next one after a while."""

from __future__ import annotations

from dataclasses import dataclass

from twin.local.services.storage import Record


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds that a change takes. On AWS an endpoint takes 300 to 600 s, an inference component as long."""

    endpoint_seconds: float = 0.0
    inference_component_seconds: float = 0.0


def begin(record: Record, status: str, now: float, seconds: float) -> None:
    """Put `record` into a passing status (`Creating`, `Updating`) that ends in `InService`."""
    record["Status"] = status
    record["SettledTime"] = now + seconds
    record["LastModifiedTime"] = now


def status(record: Record, now: float) -> str:
    """Status at time `now`."""
    return str(record["Status"]) if now < record["SettledTime"] else "InService"
