"""The life of background responses: what clients, orchestrator and SageMaker do, one step at a time.

Each end of a job is checked when it is written, against what has happened to the job until then.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from jobs.announce import announce
from jobs.notifications import parse
from jobtable import ids, keys
from jobtable.events import Event
from jobtable.records import Record
from jobtable.states import CANCELLED, OPEN, QUEUED

from tests.jobs.fakes import FakeJobs, Meddling, World

OWNER = "key1"
BUCKET = "exchange"
TTL_SECONDS = 900
Kind = Literal["completed", "incomplete", "invalid", "failed", "expired", "missing"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STATUS = {"failed": "Failed", "expired": "Expired"}
ENDS: dict[str, tuple[str, str | None]] = {
    "completed": ("completed", None),
    "incomplete": ("incomplete", None),
    "invalid": ("failed", "invalid_output"),
    "failed": ("failed", "model_error"),
    "expired": ("failed", "request_expired"),
    "missing": ("failed", "missing_output"),
}
"""Status and error code with which an invocation's end has to end the job."""


def completion(finish_reason: str = "stop") -> bytes:
    """A chat completion as the model writes it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    return json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()


CONTENTS = {"completed": completion(), "incomplete": completion("length"), "invalid": b'{"choices": []}'}


def notification(
    response_id: str, status: str, *, output: str | None = None, failure: str | None = None
) -> str:
    """What SageMaker sends to its topic."""
    places = {"outputLocation": output, "failureLocation": failure}
    message = {
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "invocationStatus": status,
        "requestParameters": {"endpointName": "twin-test-asynchronous"},
        "responseParameters": {name: f"s3://{BUCKET}/{key}" for name, key in places.items() if key},
        "inferenceId": ids.inference_id(OWNER, response_id),
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if status != "Completed":
        message["failureReason"] = "The request has failed."
    return json.dumps(message)


@dataclass(frozen=True)
class Invocation:
    job: str
    output: str
    failure: str


@dataclass(frozen=True)
class Message:
    """A message of the queue of outcomes, which stays until it is settled."""

    body: str
    sent_at: float


class Simulation(World):
    """One owner's responses."""

    def __init__(self) -> None:
        super().__init__(jobs=FakeJobs(self._check_end))
        self.running: list[Invocation] = []
        self.queue: list[Message] = []
        self.happened: dict[str, set[str]] = defaultdict(set)
        """What happened to a job: ends of its invocations, `cancelled`, `deleted`."""
        self.created: dict[str, Record] = {}
        self._count = 0

    # what the orchestrator does

    def store(self, client: str | None = None) -> str:
        """The first step: a record. Returns the job's id."""
        self._count += 1
        job = f"resp_{self._count:032x}"
        record: Record = {
            "owner": OWNER,
            "id": job,
            "status": QUEUED,
            "created_at": int(self.now),
            "due_at": int(self.now) + TTL_SECONDS,
            "open": "response",
            "submitted": False,
            "input_key": keys.asynchronous_input(job),
        }
        if client:
            record["client"] = client
        self.jobs.put(record)
        self.created[job] = record
        return job

    def invoke(self, job: str) -> Invocation:
        """The second step, with an input object. A retry that finds the record not submitted repeats it."""
        self.objects.contents[keys.asynchronous_input(job)] = b"{}"
        self._count += 1
        name = f"{self._count}"
        made = Invocation(
            job, f"{keys.ASYNCHRONOUS_OUTPUT}{name}.out", f"{keys.ASYNCHRONOUS_FAILURE}{name}-error.out"
        )
        self.running.append(made)
        return made

    def note_submitted(self, invocation: Invocation) -> None:
        """The third step, which does nothing to a job that has ended or is gone."""
        stored = self.jobs.records.get((OWNER, invocation.job))
        if stored and stored["status"] in OPEN:
            stored |= {"submitted": True, "output_key": invocation.output, "failure_key": invocation.failure}

    def submit(self, client: str | None = None) -> Invocation:
        """All three steps."""
        invocation = self.invoke(self.store(client))
        self.note_submitted(invocation)
        return invocation

    def cancel(self, job: str, meddling: Meddling | None = None) -> None:
        stores = self.stores(meddling)
        record = self.jobs.get(OWNER, job)
        if record and record["status"] in OPEN:
            self.happened[job].add("cancelled")
            now = int(self.now)
            ended = stores.jobs.end(record, {"status": CANCELLED, "ended_at": now}, now, allowed=OPEN)
            if ended:
                announce(stores, ended, now)

    def delete(self, job: str) -> None:
        self.happened[job].add("deleted")
        record = self.jobs.records.pop((OWNER, job), None)
        if record:
            places = ("input_key", "output_key", "failure_key")
            self.objects.delete([record[place] for place in places if place in record])

    # what SageMaker does

    def finish(self, invocation: Invocation, kind: Kind, *, copies: int = 1, readable: bool = True) -> None:
        """End an invocation: write what it has to, and notify."""
        self.running.remove(invocation)
        self.happened[invocation.job].add(kind)
        output = failure = None
        if kind in ("failed", "expired"):
            failure = invocation.failure
            self.objects.contents[failure] = b"{}"
        else:
            output = invocation.output
            if kind in CONTENTS:
                self.objects.contents[output] = CONTENTS[kind]
                self.objects.hidden |= set() if readable else {output}
        body = notification(invocation.job, STATUS.get(kind, "Completed"), output=output, failure=failure)
        self.queue += [Message(body, self.now)] * copies

    def show(self) -> None:
        """Let all outputs be read."""
        self.objects.hidden.clear()

    # what the functions do

    def deliver(self, message: Message, meddling: Meddling | None = None) -> None:
        """Give a message to the function; it leaves the queue only if that succeeds."""
        self.settler(meddling).notified(parse(message.body, BUCKET), message.sent_at)
        if message in self.queue:
            self.queue.remove(message)

    def sweep(self, meddling: Meddling | None = None) -> None:
        self.sweeper(meddling).sweep(self.now + 600)

    def run_until_quiet(self) -> None:
        """End what still runs, deliver every message, and sweep past the time when all is due."""
        for invocation in list(self.running):
            self.finish(invocation, "expired")
        self.show()
        self.now += TTL_SECONDS / 3
        for _ in range(3):
            for message in list(self.queue):
                self.deliver(message)
            self.now += TTL_SECONDS
            self.sweep()
        assert self.queue == []
        assert self.jobs.due("response", 2**40).jobs == []

    # what has to hold

    def _check_end(self, before: Record, fields: Mapping[str, Any]) -> None:
        """The status that is written follows from what happened to the job."""
        error = fields.get("error") or {}
        end = (fields["status"], error.get("code"))
        happened = self.happened[before["id"]]
        justified = {ENDS[kind] for kind in happened & set(KINDS)}
        if "cancelled" in happened:
            justified.add((CANCELLED, None))
        contents = self.objects.contents
        if self.now >= self.created[before["id"]]["due_at"] and before.get("output_key") not in contents:
            told = before.get("failure_key") in contents
            justified.add(("failed", "model_error" if told else "request_expired"))
        assert end in justified, f"{end} is not among {justified}"

    def messages(self, job: str) -> list[Event]:
        return [event for event in self.events.sent if event["id"] == job]

    def check(self) -> None:
        """Every job has ended once, was told of, and has left nothing that nobody can reach."""
        self.run_until_quiet()
        endings = defaultdict(list)
        for job, status in self.jobs.endings:
            endings[job].append(status)
        for job, created in self.created.items():
            record = self.jobs.get(OWNER, job)
            if record is None:
                assert "deleted" in self.happened[job]
                assert len(endings[job]) <= 1
            else:
                assert endings[job] == [record["status"]]
            self._check_messages(job, created, endings[job], gone=record is None)
        assert set(self.objects.contents) == self._reachable()

    def _check_messages(self, job: str, created: Record, endings: list[str], *, gone: bool) -> None:
        sent = self.messages(job)
        assert all(event == sent[0] for event in sent)
        if "client" not in created:
            assert sent == []
        elif sent or not gone:
            assert sent[0]["event_id"] == f"evt_{job.removeprefix('resp_')}"
            assert [sent[0]["type"]] == [f"response.{status}" for status in endings]

    def _reachable(self) -> set[str]:
        """Objects of jobs that were not deleted: the input, and what the result refers to."""
        found = set()
        for record in self.jobs.records.values():
            status = record["status"]
            if record["input_key"] in self.objects.contents:
                found.add(record["input_key"])
            if status in ("completed", "incomplete"):
                found.add(record["output_key"])
            elif status == "failed" and record.get("failure_key") in self.objects.contents:
                found.add(record["failure_key"])
        return found
