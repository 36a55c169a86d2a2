"""The four criteria of a workload, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields


class WorkloadError(ValueError):
    """A number that no workload has; the message names it and what would be accepted."""


_BOUNDS: dict[str, tuple[float, float, str]] = {
    "max_wait_seconds": (0.1, 30 * 86_400, "seconds from 0.1 to 2592000 (30 days)"),
    "requests_per_day": (1, 1e9, "a number from 1 to 1000000000"),
    "busy_hours": (0.1, 24, "hours from 0.1 to 24"),
    "input_tokens": (1, 1_000_000, "tokens from 1 to 1000000"),
    "output_tokens": (1, 100_000, "tokens from 1 to 100000"),
}


def check(name: str, value: float) -> None:
    """Raise WorkloadError where a workload's field has no such value."""
    if name not in _BOUNDS:
        return
    lowest, highest, accepted = _BOUNDS[name]
    if not lowest <= value <= highest:
        raise WorkloadError(f"{name.replace('_', '-')}: {value:g} given; accepted: {accepted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What clients ask for.

    Latency: `max_wait_seconds` until the whole answer is there, and whether it is read while it is
    written (`streaming`). Throughput: `requests_per_day`, which come within `busy_hours` of the day. Data:
    tokens of a prompt with its sources and of an answer, and whether all requests exist at once, as a file
    (`known_upfront`). Infrastructure is the environment's.
    """

    max_wait_seconds: float
    streaming: bool
    requests_per_day: float
    busy_hours: float
    input_tokens: int
    output_tokens: int
    known_upfront: bool

    def __post_init__(self) -> None:
        for field in fields(self):
            check(field.name, getattr(self, field.name))

    @property
    def requests_per_second(self) -> float:
        """Mean rate while requests come."""
        return self.requests_per_day / (self.busy_hours * 3600)
