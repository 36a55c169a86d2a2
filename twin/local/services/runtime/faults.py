"""Faults that tests order: the next invocations of an endpoint fail in a chosen way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

REALTIME = (
    "model_error",
    "throttle",
    "not_ready",
    "service_unavailable",
    "internal_failure",
    "stall",
    "stall_stream",
    "break_stream",
    "disconnect_stream",
)
"""Kinds that an InvokeEndpoint or InvokeEndpointWithResponseStream meets."""

ACCEPTING = ("throttle", "service_unavailable", "internal_failure", "lose_answer")
"""Kinds that an InvokeEndpointAsync meets."""

REPORTING = ("drop_notification", "duplicate_notification", "notification_before_output", "missing_output")
"""Kinds that the end of an asynchronous request meets."""

PROCESSING = ("model_error", "stall", *REPORTING)
"""Kinds that an accepted asynchronous request meets, when it is its turn."""

KINDS = tuple(dict.fromkeys(REALTIME + ACCEPTING + PROCESSING))

JOB_KINDS = ("model_error", "stall")


class FaultError(ValueError):
    """An order that can't be carried out; the text says why."""


@dataclass(slots=True)
class Fault:
    """One order.

    - `model_error`: the container answers HTTP `status` with `message`;
    - `throttle`, `not_ready`, `service_unavailable`, `internal_failure`: the service answers that error;
    - `stall`: the model starts `seconds` late;
    - `stall_stream`: a pause of `seconds` after `after_parts` events;
    - `break_stream`: after `after_parts` events the stream ends with the exception `error`
      (`ModelStreamError` or `InternalStreamFailure`) carrying `message` and `error_code`;
    - `disconnect_stream`: after `after_parts` events the connection is closed;
    - `lose_answer`: an asynchronous request is accepted, and the connection closed without an answer;
    - `drop_notification`, `duplicate_notification`: SNS gets none, or two;
    - `notification_before_output`: the object is written `seconds` after the notification;
    - `missing_output`: the object is never written.

    With `job` the order is for transform jobs whose names begin with it, not for endpoints: `model_error` or
    `stall` for record number `record` of the job (from 1, in the order of the input where the job has one
    instance; 0: for any), in the first `attempts` at it (0: in all).
    """

    kind: str
    endpoint: str = "*"
    times: int = 1
    status: int = 500
    message: str = "The model failed"
    seconds: float = 0.0
    after_parts: int = 1
    error: str = "ModelStreamError"
    error_code: str = "StreamBroken"
    job: str = ""
    record: int = 0
    attempts: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"kind is {self.kind!r}: expected one of {', '.join(KINDS)}")
        if self.error not in ("ModelStreamError", "InternalStreamFailure"):
            raise FaultError(f"error is {self.error!r}: expected ModelStreamError or InternalStreamFailure")
        if self.job and self.kind not in JOB_KINDS:
            raise FaultError(f"kind is {self.kind!r}: for a job expected one of {', '.join(JOB_KINDS)}")
        for name, value in (("record", self.record), ("attempts", self.attempts)):
            if value < 0:
                raise FaultError(f"{name} is {value}: expected 0 or more")
        if self.times < 1:
            raise FaultError(f"times is {self.times}: expected 1 or more")


class Faults:
    """Orders that are still open, oldest first."""

    def __init__(self) -> None:
        self._open: list[Fault] = []

    def add(self, order: Mapping[str, Any]) -> None:
        """Take an order given as JSON."""
        known = [field.name for field in fields(Fault)]
        unknown = sorted(set(order) - set(known))
        if unknown or "kind" not in order:
            wrong = f"unknown {', '.join(unknown)}" if unknown else "kind is missing"
            raise FaultError(f"{wrong}: expected kind, and any of {', '.join(known[1:])}")
        self._open.append(Fault(**order))

    def take(self, endpoint: str, kinds: Collection[str] = REALTIME) -> Fault | None:
        """The oldest open order for `endpoint` of one of these kinds, counted down."""
        return self._take(
            lambda fault: not fault.job and fault.endpoint in ("*", endpoint) and fault.kind in kinds
        )

    def take_for_job(self, job: str, record: int) -> Fault | None:
        """The oldest open order for record number `record` of a transform job, counted down."""
        return self._take(
            lambda fault: bool(fault.job) and job.startswith(fault.job) and fault.record in (0, record)
        )

    def _take(self, concerned: Callable[[Fault], bool]) -> Fault | None:
        for fault in self._open:
            if concerned(fault):
                fault.times -= 1
                if fault.times == 0:
                    self._open.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self._open.clear()

    def as_json(self) -> Iterable[Mapping[str, Any]]:
        return [asdict(fault) for fault in self._open]
