"""A function that dies at any step leaves a response that ends as it should, once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from jobtable import ids
from jobtable.records import Record, to_item
from orchestrator.chat import Adapters, Chat
from orchestrator.jobs.asynchronous import MAX_INLINE_BYTES
from orchestrator.jobs.errors import JobsUnavailableError
from orchestrator.pacing import Pace
from orchestrator.responses.background import WAIT_SECONDS, Acceptance, Asked
from orchestrator.responses.errors import BeingSubmittedError
from orchestrator.responses.parsing import parse_request
from orchestrator.responses.submission import CLAIM_SECONDS
from orchestrator.telemetry import Record as RequestRecord

from tests.orchestrator.fake_jobs import FakeJobs
from tests.orchestrator.fakes import MODEL, FakeModel, FakeRetriever, FakeTelemetry, FakeTracing, environment

pytestmark = pytest.mark.anyio

Moment = Literal["before", "after"]
STEPS = ["get", "put_new", "put object", "submit", "change"]
QUESTION = "Why? " * (MAX_INLINE_BYTES // 4)


class KilledError(BaseException):
    """The process ended here: nothing of ours runs on, whatever it catches."""


@dataclass
class Twin:
    """The acceptance of background responses, its clock, and what it reaches."""

    jobs: FakeJobs = field(default_factory=FakeJobs)
    retriever: FakeRetriever = field(default_factory=FakeRetriever)
    now: float = 1_800_000_000.0

    def __post_init__(self) -> None:
        settings = environment(MAX_MODEL_LEN="400000")
        adapters = Adapters(FakeModel(), self.retriever, FakeTelemetry(), FakeTracing(), self.jobs.adapters)
        self.acceptance = Acceptance(
            settings,
            Chat(settings, adapters, Pace(total=5)),
            self.jobs.adapters,
            now_ms=lambda: int(self.now * 1000),
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def create(
        self, key: str | None = "k", question: str = "What are copies?", **fields: Any
    ) -> Record:
        body = json.dumps({"model": MODEL, "input": question, "background": True, **fields}).encode()
        about = RequestRecord("r", "POST", "/v1/responses")
        return await self.acceptance.create(Asked("ada", parse_request(body), body, key, about))

    @property
    def records(self) -> list[Record]:
        return self.jobs.table.records("ada", ids.RESPONSE)

    @property
    def submitted_ids(self) -> list[str]:
        return [inference_id for inference_id, _ in self.jobs.asynchronous.submitted]

    def kill(self, moment: Moment, step: str) -> None:
        """Die before or after the next call of that name."""

        async def die(name: str) -> None:
            if name == step:
                raise KilledError

        setattr(self.jobs.calls, moment, die)

    def revive(self) -> None:
        self.jobs.calls.before = self.jobs.calls.after = None


@pytest.fixture
def twin() -> Twin:
    return Twin()


@pytest.mark.parametrize("later", [1, CLAIM_SECONDS + 1])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_repetition_goes_on_where_the_first_request_died(
    twin: Twin, moment: Moment, step: str, later: int
) -> None:
    """However soon it comes: it is told to come again while the first one might still be at work."""
    twin.kill(moment, step)
    with pytest.raises(KilledError):
        await twin.create(question=QUESTION)
    first = [record["id"] for record in twin.records]
    twin.revive()
    twin.now += later
    record = await repeat(twin)
    [stored] = twin.records
    assert stored == record
    assert first in ([], [record["id"]])
    assert (record["status"], record["submitted"]) == ("queued", True)
    assert record["due_at"] > twin.now
    assert set(twin.submitted_ids) == {ids.inference_id("ada", record["id"])}
    assert len(twin.submitted_ids) == (2 if submitted_before(moment, step) else 1)
    assert await repeat(twin) == record


async def repeat(twin: Twin) -> Record:
    """Send the request until it is accepted, with the pauses that the answers ask for."""
    for _ in range(3):
        try:
            return await twin.create(question=QUESTION)
        except BeingSubmittedError as error:
            twin.now += error.retry_after or 0
    raise AssertionError("never accepted")


def submitted_before(moment: Moment, step: str) -> bool:
    """Whether the endpoint has the request although the record does not say so."""
    return (moment, step) in {("after", "submit"), ("before", "change")}


@pytest.mark.parametrize("step", STEPS[1:])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_without_a_key_whatever_is_left_is_due_to_be_ended(
    twin: Twin, moment: Moment, step: str
) -> None:
    twin.kill(moment, step)
    with pytest.raises(KilledError):
        await twin.create(None, QUESTION)
    assert len(twin.records) == (0 if (moment, step) == ("before", "put_new") else 1)
    for record in twin.records:
        assert (record["status"], record["open"]) == ("queued", "response")
        assert twin.now < record["due_at"] < record["delete_at"]
    assert set(twin.submitted_ids) <= {ids.inference_id("ada", record["id"]) for record in twin.records}


@pytest.mark.parametrize("step", STEPS)
async def test_a_task_that_is_cancelled_is_gone_on_with(twin: Twin, step: str) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang(name: str) -> None:
        if name == step:
            reached.set()
            await never.wait()

    twin.jobs.calls.after = hang
    request = asyncio.create_task(twin.create(question=QUESTION))
    await reached.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    twin.revive()
    twin.now += CLAIM_SECONDS
    record = await repeat(twin)
    assert twin.records == [record]
    assert record["submitted"] is True
    assert set(twin.submitted_ids) == {ids.inference_id("ada", record["id"])}


async def test_a_request_that_dies_while_it_takes_over_is_taken_over_too(twin: Twin) -> None:
    for _ in range(3):
        twin.kill("before", "submit")
        with pytest.raises(KilledError):
            await twin.create()
        twin.now += CLAIM_SECONDS
    twin.revive()
    record = await twin.create()
    assert twin.records == [record]
    assert twin.submitted_ids == [ids.inference_id("ada", record["id"])]


async def test_what_turns_out_to_be_submitted_is_not_taken_over(twin: Twin) -> None:
    """The first request was slow: it notes its submission when the second one is about to take over."""
    twin.kill("before", "change")
    with pytest.raises(KilledError):
        await twin.create()
    [record] = twin.records
    twin.now += CLAIM_SECONDS

    async def note(name: str) -> None:
        if name == "change":
            twin.revive()
            noted = {**record, "submitted": True, "output_key": "first.out"}
            twin.jobs.table.items["ada", record["id"]] = to_item(noted)

    twin.jobs.calls.before = note
    assert (await twin.create())["output_key"] == "first.out"
    assert len(twin.submitted_ids) == 1


async def test_one_of_many_repetitions_takes_over(twin: Twin) -> None:
    twin.kill("before", "submit")
    with pytest.raises(KilledError):
        await twin.create()
    twin.revive()
    twin.now += CLAIM_SECONDS
    answers = await asyncio.gather(*(twin.create() for _ in range(20)))
    assert {answer["id"] for answer in answers} == {twin.records[0]["id"]}
    assert len(twin.submitted_ids) == 1
    assert len(twin.records) == 1


@pytest.mark.parametrize(("moment", "submissions"), [("before", 1), ("after", 2)])
async def test_every_submission_has_the_prompt_of_the_sources_in_the_record(
    twin: Twin, moment: Moment, submissions: int
) -> None:
    """Whichever is answered, and whatever is found in the meantime."""
    undisturbed = Twin()
    await undisturbed.create()
    [(_, expected)] = undisturbed.jobs.asynchronous.submitted
    twin.kill(moment, "submit")
    with pytest.raises(KilledError):
        await twin.create()
    twin.revive()
    twin.now += CLAIM_SECONDS
    twin.retriever.passages = []
    record = await twin.create()
    assert [source["document_id"] for source in record["sources"]] == ["essays/1", "notes/2"]
    assert [body for _, body in twin.jobs.asynchronous.submitted] == [expected] * submissions
    assert len(twin.retriever.searches) == 1


@pytest.mark.parametrize("retrieval", [{"enabled": False}, {"enabled": True}])
async def test_without_sources_every_submission_has_the_same_prompt_too(
    twin: Twin, retrieval: dict[str, bool]
) -> None:
    twin.retriever.passages = []
    twin.kill("after", "submit")
    with pytest.raises(KilledError):
        await twin.create(retrieval=retrieval)
    twin.revive()
    twin.now += CLAIM_SECONDS
    await twin.create(retrieval=retrieval)
    first, second = (body for _, body in twin.jobs.asynchronous.submitted)
    assert first == second


async def test_many_equal_requests_at_once_are_one_response(twin: Twin) -> None:
    answers = await asyncio.gather(*(twin.create() for _ in range(20)))
    assert len({answer["id"] for answer in answers}) == 1
    assert all(answer["submitted"] for answer in answers)
    assert len(twin.records) == 1
    assert len(twin.submitted_ids) == 1


async def test_many_equal_requests_without_a_key_are_as_many_responses(twin: Twin) -> None:
    answers = await asyncio.gather(*(twin.create(None) for _ in range(20)))
    assert len({answer["id"] for answer in answers}) == len(twin.records) == 20


async def test_a_repetition_waits_for_a_submission_under_way(twin: Twin) -> None:
    """And is told when to come again where that takes too long."""
    stored, go_on = asyncio.Event(), asyncio.Event()

    async def wait(name: str) -> None:
        if name == "submit":
            stored.set()
            await go_on.wait()

    twin.jobs.calls.before = wait
    first = asyncio.create_task(twin.create())
    await stored.wait()
    began = twin.now
    with pytest.raises(BeingSubmittedError) as raised:
        await twin.create()
    assert twin.now == pytest.approx(began + WAIT_SECONDS, abs=0.2)
    assert raised.value.headers() == {
        "x-should-retry": "true",
        "retry-after": str(CLAIM_SECONDS - int(WAIT_SECONDS)),
    }
    second = asyncio.create_task(twin.create())
    await asyncio.sleep(0)
    go_on.set()
    assert await first == await second


async def test_a_failed_repetition_leaves_what_the_first_request_may_have_submitted(twin: Twin) -> None:
    twin.kill("after", "submit")
    with pytest.raises(KilledError):
        await twin.create()
    [record] = twin.records
    twin.revive()
    twin.now += CLAIM_SECONDS

    async def refuse(name: str) -> None:
        if name == "submit":
            raise JobsUnavailableError

    twin.jobs.calls.before = refuse
    with pytest.raises(JobsUnavailableError):
        await twin.create()
    assert [left["id"] for left in twin.records] == [record["id"]]


async def test_a_repetition_of_what_failed_in_the_meantime_is_a_new_response(twin: Twin) -> None:
    """The first request withdraws its response while the second one waits for it."""
    stored, looked = asyncio.Event(), asyncio.Event()

    async def refuse(name: str) -> None:
        if name == "submit" and not stored.is_set():
            stored.set()
            await looked.wait()
            raise JobsUnavailableError
        if name == "get" and stored.is_set() and twin.jobs.calls.names.count("get") == 4:
            looked.set()

    twin.jobs.calls.before = refuse
    first = asyncio.create_task(twin.create())
    await stored.wait()
    second = await twin.create()
    with pytest.raises(JobsUnavailableError):
        await first
    assert twin.records == [second]
    assert twin.submitted_ids == [ids.inference_id("ada", second["id"])]
