"""Nothing is lost or done twice, wherever a function dies and in whatever order things come."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from jobs.settle import NotReadableError

from tests.jobs.fakes import Kill, Meddling
from tests.jobs.simulation import ENDS, KINDS, OWNER, TTL_SECONDS, Kind, Simulation

MOST_CALLS = 12
"""More than any function makes to the stores for one job."""


def kill() -> None:
    raise Kill


def fail() -> None:
    raise ConnectionError("the service is not there")


def happens(action: Callable[[Meddling], None], meddling: Meddling) -> None:
    """Run a function that may be killed or fail."""
    with suppress(Kill, ConnectionError, NotReadableError):
        action(meddling)


MEDDLINGS = ("kill", "fail", "cancel", "delete", "the other message", "sweep")


def meddle(world: Simulation, what: str, job: str) -> Callable[[], None]:
    """What happens in the middle of a function."""
    choices: dict[str, Callable[[], None]] = {
        "kill": kill,
        "fail": fail,
        "cancel": lambda: world.cancel(job),
        "delete": lambda: world.delete(job),
        "the other message": lambda: world.deliver(world.queue[-1]),
        "sweep": world.sweep,
    }
    return choices[what]


def at_each_call(scenario: Callable[[Meddling], None]) -> int:
    """Run the scenario with something happening after each call in turn; return how many there are."""
    for at in range(1, MOST_CALLS):
        meddling = Meddling(at)
        scenario(meddling)
        if not meddling.happened:
            return at - 1
    raise AssertionError("a function makes more calls than expected")


@pytest.mark.parametrize("client", [None, "app"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_undisturbed_job_ends_as_its_invocation_did(kind: Kind, client: str | None) -> None:
    world = Simulation()
    invocation = world.submit(client)
    world.finish(invocation, kind)
    if kind == "missing":
        with pytest.raises(NotReadableError):
            world.deliver(world.queue[0])
        world.now += 61
    world.deliver(world.queue[0])
    record = world.jobs.get(OWNER, invocation.job)
    assert record is not None
    assert (record["status"], record.get("error", {}).get("code")) == ENDS[kind]
    assert len(world.messages(invocation.job)) == (1 if client else 0)
    world.check()


@pytest.mark.parametrize("what", MEDDLINGS)
@pytest.mark.parametrize("submitted", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_settled_wherever_something_happens(kind: Kind, submitted: bool, what: str) -> None:
    def scenario(meddling: Meddling) -> None:
        world = Simulation()
        invocation = world.invoke(world.store("app"))
        world.finish(invocation, kind, copies=2 if what == "the other message" else 1)
        if submitted:
            world.note_submitted(invocation)
        world.now += TTL_SECONDS if what == "sweep" else 61
        meddling.action = meddle(world, what, invocation.job)
        happens(lambda meddling: world.deliver(world.queue[0], meddling), meddling)
        world.note_submitted(invocation)
        world.check()

    assert at_each_call(scenario) >= 4


@pytest.mark.parametrize("what", MEDDLINGS[:-2])
@pytest.mark.parametrize("left", ["output", "failure", "nothing", "never invoked"])
def test_an_overdue_job_ends_wherever_something_happens(left: str, what: str) -> None:
    def scenario(meddling: Meddling) -> None:
        world = Simulation()
        if left == "never invoked":
            job = world.store("app")
        else:
            invocation = world.submit("app")
            job = invocation.job
            if left != "nothing":
                world.finish(invocation, "completed" if left == "output" else "failed")
        world.now += TTL_SECONDS
        meddling.action = meddle(world, what, job)
        happens(world.sweep, meddling)
        world.check()

    assert at_each_call(scenario) >= 5


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cancellation_ends_wherever_the_orchestrator_dies(kind: Kind, when: str) -> None:
    def scenario(meddling: Meddling) -> None:
        world = Simulation()
        invocation = world.submit("app")
        meddling.action = kill
        if when == "after":
            world.finish(invocation, kind)
        happens(lambda meddling: world.cancel(invocation.job, meddling), meddling)
        if when == "before":
            world.finish(invocation, kind)
        world.check()
        record = world.jobs.get(OWNER, invocation.job)
        assert record is not None
        assert record["status"] == "cancelled"
        assert [event["type"] for event in world.messages(invocation.job)][:1] == ["response.cancelled"]

    assert at_each_call(scenario) == 3


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_the_first_outcome_of_two_stays(first: Kind, second: Kind) -> None:
    """A retry may invoke again where it is not known whether the first call was taken."""
    world = Simulation()
    job = world.store("app")
    one, two = world.invoke(job), world.invoke(job)
    world.note_submitted(two)
    world.finish(one, first)
    world.finish(two, second)
    world.now += 61
    for message in list(world.queue):
        world.deliver(message)
    record = world.jobs.get(OWNER, job)
    assert record is not None
    assert (record["status"], record.get("error", {}).get("code")) == ENDS[first]
    world.check()


def test_a_message_that_comes_again_changes_nothing_and_tells_nobody() -> None:
    world = Simulation()
    invocation = world.submit("app")
    world.finish(invocation, "completed")
    (message,) = world.queue
    world.deliver(message)
    before = world.jobs.get(OWNER, invocation.job)
    for _ in range(3):
        world.now += 1
        world.deliver(message)
    assert world.jobs.get(OWNER, invocation.job) == before
    assert len(world.messages(invocation.job)) == 1


def test_an_output_that_is_late_is_waited_for() -> None:
    world = Simulation()
    invocation = world.submit("app")
    world.finish(invocation, "completed", readable=False)
    for _ in range(5):
        with pytest.raises(NotReadableError):
            world.deliver(world.queue[0])
    world.show()
    world.check()
    record = world.jobs.get(OWNER, invocation.job)
    assert record is not None
    assert record["status"] == "completed"


def test_an_outcome_that_nobody_told_of_is_found() -> None:
    world = Simulation()
    done, broken, lost = (world.submit("app") for _ in range(3))
    world.finish(done, "completed")
    world.finish(broken, "failed")
    world.running.remove(lost)
    world.queue.clear()
    world.check()
    records = [world.jobs.records[OWNER, each.job] for each in (done, broken, lost)]
    codes = [each.get("error", {}).get("code", each["status"]) for each in records]
    assert codes == ["completed", "model_error", "request_expired"]


def test_a_thousand_jobs_end_once_each() -> None:
    """Messages come twice and in any order, one in ten functions is killed, one in ten calls fails."""
    world, chance = Simulation(), random.Random(7)
    expected = {}
    for number in range(1_000):
        invocation = world.submit("app" if number % 2 else None)
        kind = KINDS[number % len(KINDS)]
        expected[invocation.job] = ENDS[kind]
        world.finish(invocation, kind, copies=chance.choice([1, 2, 3]))
    world.now += 61
    while world.queue:
        message = chance.choice(world.queue)
        meddling = Meddling(chance.randint(1, 25), chance.choice([kill, fail]))
        happens(lambda meddling, message=message: world.deliver(message, meddling), meddling)  # type: ignore[misc]
    records = list(world.jobs.records.values())
    ends = {each["id"]: (each["status"], each.get("error", {}).get("code")) for each in records}
    assert ends == expected
    assert len(world.jobs.endings) == 1_000
    world.check()
    assert {event["id"] for event in world.events.sent} == {
        each["id"] for each in records if "client" in each
    }


class Lives(RuleBasedStateMachine):
    """Any number of jobs, and all that may happen to them, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation()

    @rule(client=st.sampled_from([None, "app"]), steps=st.integers(1, 3))
    def submit(self, client: str | None, steps: int) -> None:
        """The orchestrator may die after each step."""
        job = self.world.store(client)
        invocation = self.world.invoke(job) if steps > 1 else None
        if invocation and steps > 2:
            self.world.note_submitted(invocation)

    @precondition(lambda self: self.world.running)
    @rule(data=st.data(), kind=st.sampled_from(KINDS), copies=st.integers(1, 3), readable=st.booleans())
    def finish(self, data: Any, kind: Kind, copies: int, readable: bool) -> None:
        invocation = data.draw(st.sampled_from(self.world.running))
        self.world.finish(invocation, kind, copies=copies, readable=readable)

    @precondition(lambda self: self.world.created)
    @rule(data=st.data())
    def go_on(self, data: Any) -> None:
        """The orchestrator invokes for a record that may have been cancelled or deleted meanwhile."""
        self.world.invoke(data.draw(st.sampled_from(sorted(self.world.created))))

    @precondition(lambda self: self.world.created)
    @rule(data=st.data())
    def submit_again(self, data: Any) -> None:
        """A retry with the same idempotency key finds a job that was not submitted."""
        record = self.world.jobs.get(OWNER, data.draw(st.sampled_from(sorted(self.world.created))))
        if record and record["status"] == "queued" and not record["submitted"]:
            self.world.note_submitted(self.world.invoke(record["id"]))

    @precondition(lambda self: self.world.running)
    @rule(data=st.data())
    def note_submitted(self, data: Any) -> None:
        self.world.note_submitted(data.draw(st.sampled_from(self.world.running)))

    @precondition(lambda self: self.world.queue)
    @rule(data=st.data(), at=st.integers(0, MOST_CALLS), what=st.sampled_from(MEDDLINGS))
    def deliver(self, data: Any, at: int, what: str) -> None:
        message = data.draw(st.sampled_from(self.world.queue))
        job = data.draw(st.sampled_from(sorted(self.world.created)))
        meddling = Meddling(at, meddle(self.world, what, job))
        happens(lambda meddling: self.world.deliver(message, meddling), meddling)

    @precondition(lambda self: self.world.created)
    @rule(data=st.data(), at=st.integers(0, MOST_CALLS), what=st.sampled_from(MEDDLINGS[:4]))
    def sweep(self, data: Any, at: int, what: str) -> None:
        job = data.draw(st.sampled_from(sorted(self.world.created)))
        happens(self.world.sweep, Meddling(at, meddle(self.world, what, job)))

    @precondition(lambda self: self.world.created)
    @rule(data=st.data(), at=st.integers(0, 4))
    def cancel(self, data: Any, at: int) -> None:
        job = data.draw(st.sampled_from(sorted(self.world.created)))
        happens(lambda meddling: self.world.cancel(job, meddling), Meddling(at, kill))

    @precondition(lambda self: self.world.created)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        self.world.delete(data.draw(st.sampled_from(sorted(self.world.created))))

    @rule(seconds=st.sampled_from([30, 61, TTL_SECONDS]))
    def wait(self, seconds: int) -> None:
        """Outputs are readable within the time that a notification's output is looked for."""
        self.world.show()
        self.world.now += seconds

    def teardown(self) -> None:
        self.world.check()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
