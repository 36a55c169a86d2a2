"""Ends responses, each once, whatever comes in whatever order.

The record decides. The first final status is written under the condition that the job is open, and stays. All
else follows from the record as it is then, and can be done again: objects that no result refers to are
deleted, and the client is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jobtable import keys
from jobtable.states import COMPLETED, FAILED, INCOMPLETE, OPEN

from jobs import notifications, verdicts
from jobs.announce import announce

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobtable.records import Record

    from jobs.notifications import Notification
    from jobs.stores import Stores
    from jobs.verdicts import Verdict

GRACE_SECONDS = 30
"""Age of a notification up to which a missing output is looked for again."""

READ_BYTES = verdicts.MAX_OUTPUT_BYTES + 1


class NotReadableError(Exception):
    """The output that a notification names is not there yet; the message has to come again."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it: `settled` now, `known` before, or `gone`: deleted, or never there."""

    what: Literal["settled", "known", "gone"]
    record: Record | None = None


class Settler:
    def __init__(self, stores: Stores, clock: Callable[[], float]) -> None:
        self._stores = stores
        self._clock = clock

    def notified(self, notification: Notification, sent_at: float) -> Settled:
        """Settle the response of a notification that was sent at `sent_at`, in seconds since the epoch.

        Raises `NotReadableError` and whatever the stores raise; after each of these a retry goes on.
        """
        record = self._stores.jobs.get(notification.owner, notification.response_id)
        places = (notification.output_key, notification.failure_key)
        if record is None:
            self._discard(notification.response_id, *places)
            return Settled("gone")
        if record["status"] not in OPEN:
            return self._follow(record, *places)
        return self._end(record, self._judge(record, notification, sent_at), *places)

    def overdue(self, record: Record) -> Settled:
        """Settle an open response of which nothing was heard in time, by what lies in the bucket."""
        objects = self._stores.objects
        output, failure = record.get("output_key"), record.get("failure_key")
        content = objects.read(output, READ_BYTES) if output else None
        if content is not None:
            verdict = verdicts.of_output(content)
        elif failure and objects.read(failure, 1) is not None:
            verdict = verdicts.failed("model_error")
        else:
            verdict = verdicts.failed("request_expired")
        return self._end(record, verdict, output, failure)

    def _judge(self, record: Record, notification: Notification, sent_at: float) -> Verdict:
        if notification.status == notifications.EXPIRED:
            return verdicts.failed("request_expired")
        if notification.status == notifications.FAILED:
            return verdicts.failed("model_error")
        key = notification.output_key or record.get("output_key")
        content = self._stores.objects.read(key, READ_BYTES) if key else None
        if content is not None:
            return verdicts.of_output(content)
        if self._clock() < sent_at + GRACE_SECONDS:
            raise NotReadableError(f"the output of {record['id']} is not there yet")
        return verdicts.failed("missing_output")

    def _end(self, record: Record, verdict: Verdict, output: str | None, failure: str | None) -> Settled:
        """Write the verdict; where another came first, follow that one."""
        now = int(self._clock())
        places = {"output_key": output, "failure_key": failure}
        fields = {"status": verdict.status, "ended_at": now, **verdict.fields, **places}
        ended = self._stores.jobs.end(record, fields, now, allowed=OPEN)
        if ended is not None:
            self._follow(ended, output, failure)
            return Settled("settled", ended)
        known = self._stores.jobs.get(record["owner"], record["id"])
        if known is None:
            self._discard(record["id"], output, failure)
            return Settled("gone")
        return self._follow(known, output, failure)

    def _follow(self, record: Record, output: str | None, failure: str | None) -> Settled:
        """Do what a final status asks for."""
        found = {output, failure, record.get("output_key"), record.get("failure_key")}
        self._stores.objects.delete(sorted(key for key in found - _kept(record) if key))
        announce(self._stores, record, int(self._clock()))
        return Settled("known", record)

    def _discard(self, response_id: str, *places: str | None) -> None:
        """Delete what a job that is no more has left."""
        found = {keys.asynchronous_input(response_id), *places}
        self._stores.objects.delete(sorted(key for key in found if key))


def _kept(record: Record) -> set[str | None]:
    """The keys of the objects that the record's result refers to."""
    if record["status"] in (COMPLETED, INCOMPLETE):
        return {record.get("output_key")}
    if record["status"] == FAILED:
        return {record.get("failure_key")}
    return set()
