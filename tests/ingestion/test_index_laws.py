"""However events come, and wherever invocations die, the index ends equal to the corpus."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ingestion.claim import LeaseLostError
from ingestion.index import Outcome
from ingestion.stores import VectorRecord
from numpy.typing import NDArray

from tests.ingestion.fakes import CrashError, FakeEncoder, Meddling, World

KEY = "a.jsonl"
LEASE = 900.0

texts = st.sampled_from(["", "short", "other", "long " * 400, "longer " * 900])
contents = st.none() | st.dictionaries(st.sampled_from(["1", "2", "3"]), texts, max_size=3)


def put(world: World, content: dict[str, str] | None) -> None:
    """Replace the object; None deletes it. A document with an empty text is a bad one."""
    if content is None:
        world.corpus.delete(KEY)
    else:
        lines = [json.dumps({"id": each, "text": text}) for each, text in content.items()]
        world.corpus.put(KEY, "\n".join(lines))


def expected(world: World) -> dict[str, VectorRecord]:
    """The index that the present corpus gives when it is indexed from nothing."""
    fresh = World(corpus=world.corpus)
    fresh.indexer().settle(KEY, fresh.now + LEASE)
    return fresh.vectors.records


def assert_settled(world: World) -> None:
    assert world.vectors.records == expected(world)
    if KEY in world.states.stored:
        state = world.state(KEY)
        assert (state["lease"], state["pending"]) == (None, False)
        head = world.corpus.head(KEY)
        assert state["etag"] == (head.etag if head else "")


@settings(deadline=None)
@given(st.lists(contents, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_lost_late_and_repeated_events_do_not_matter(
    versions: list[dict[str, str] | None], delivered: list[bool]
) -> None:
    world = World()
    for content, event in zip(versions, delivered, strict=False):
        put(world, content)
        if event:
            world.indexer().settle(KEY, world.now + LEASE)
    for _ in range(2):
        world.indexer().settle(KEY, world.now + LEASE)
        assert_settled(world)


@settings(max_examples=200, deadline=None)
@given(contents, contents, contents, st.integers(1, 40))
def test_a_crash_anywhere_is_made_good_by_a_retry(
    before: dict[str, str] | None, after: dict[str, str] | None, later: dict[str, str] | None, at: int
) -> None:
    world = World()
    put(world, before)
    world.indexer().settle(KEY, world.now + LEASE)
    put(world, after)

    def crash() -> None:
        meddling.at += 1  # whatever the dying invocation still tries fails too
        raise CrashError

    meddling = Meddling(at, crash)
    with suppress(CrashError):
        world.indexer("dying", meddling).settle(KEY, world.now + LEASE)
    put(world, later)
    world.now += LEASE + 1
    world.indexer("retry").settle(KEY, world.now + LEASE)
    assert_settled(world)


@settings(max_examples=200, deadline=None)
@given(contents, contents, contents, st.integers(1, 40))
@example({}, {"1": "short"}, {}, 7)
@example({"1": "", "3": "short"}, None, {"1": "", "3": "short"}, 6)
def test_a_failed_call_is_made_good_by_a_retry_at_once(
    before: dict[str, str] | None, after: dict[str, str] | None, later: dict[str, str] | None, at: int
) -> None:
    world = World()
    put(world, before)
    world.indexer().settle(KEY, world.now + LEASE)
    put(world, after)

    def fail() -> None:
        raise ConnectionError

    with suppress(ConnectionError):
        world.indexer("failing", Meddling(at, fail)).settle(KEY, world.now + LEASE)
    put(world, later)
    assert world.indexer("retry").settle(KEY, world.now + LEASE).status != "deferred"
    assert_settled(world)


@settings(max_examples=300, deadline=None)
@given(contents, contents, contents, st.integers(1, 40))
def test_an_invocation_in_the_middle_of_another_does_no_harm(
    before: dict[str, str] | None, during: dict[str, str] | None, later: dict[str, str] | None, at: int
) -> None:
    world = World()
    put(world, before)
    world.indexer().settle(KEY, world.now + LEASE)
    put(world, during)

    def meanwhile() -> None:
        put(world, later)
        world.indexer("second").settle(KEY, world.now + LEASE)

    first = Meddling(at, meanwhile)
    world.indexer("first", first).settle(KEY, world.now + LEASE)
    if first.calls < at:
        meanwhile()
    assert_settled(world)


@settings(max_examples=200, deadline=None)
@given(st.lists(contents, min_size=4, max_size=4), st.integers(1, 30), st.integers(1, 30))
@example([None, None, {"1": "short"}, None], 2, 4)
def test_three_invocations_inside_each_other_do_no_harm(
    versions: list[dict[str, str] | None], outer_at: int, inner_at: int
) -> None:
    world = World()
    put(world, versions[0])
    world.indexer().settle(KEY, world.now + LEASE)
    put(world, versions[1])

    def run(owner: str, content: dict[str, str] | None, meddling: Meddling | None) -> Callable[[], None]:
        def act() -> None:
            put(world, content)
            world.indexer(owner, meddling).settle(KEY, world.now + LEASE)

        return act

    third = run("third", versions[3], None)
    inner = Meddling(inner_at, third)
    second = run("second", versions[2], inner)
    outer = Meddling(outer_at, second)
    world.indexer("first", outer).settle(KEY, world.now + LEASE)
    if outer.calls < outer_at:
        second()
    if inner.calls < inner_at:
        third()
    assert_settled(world)


def test_an_event_during_a_lease_is_left_to_its_owner() -> None:
    world = World()
    put(world, {"1": "first"})
    outcomes: list[Outcome] = []

    def meanwhile() -> None:
        put(world, {"1": "second"})
        outcomes.append(world.indexer("second").settle(KEY, world.now + LEASE))
        outcomes.append(world.indexer("third").settle(KEY, world.now + LEASE))

    class Encoder(FakeEncoder):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if texts == ["first"]:
                meanwhile()
            return super().encode(texts)

    world.encoder = Encoder()
    world.indexer("first").settle(KEY, world.now + LEASE)
    assert outcomes == [Outcome("deferred"), Outcome("deferred")]
    assert world.vectors.texts() == ["second"]
    assert_settled(world)


def test_an_owner_that_outlives_its_lease_notices() -> None:
    world = World()
    put(world, {"1": "first"})

    class Encoder(FakeEncoder):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if texts == ["first"]:
                put(world, {"1": "second"})
                world.now += LEASE + 1
                world.indexer("second").settle(KEY, world.now + LEASE)
            return super().encode(texts)

    world.encoder = Encoder()
    with pytest.raises(LeaseLostError) as caught:
        world.indexer("first").settle(KEY, world.now + LEASE)
    assert str(caught.value) == "the lease on the vectors of a.jsonl was lost"
