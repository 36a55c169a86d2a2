"""The in-memory index against a dictionary and a loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.local.services.vectors.index import Metric, VectorIndex

DIMENSION = 3
NUMBERS = st.floats(-100, 100, width=32).map(lambda value: 0.0 if abs(value) < 1e-3 else value)
VECTORS = st.lists(NUMBERS, min_size=DIMENSION, max_size=DIMENSION).filter(any)
KEYS = st.sampled_from([f"k{number}" for number in range(8)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, VECTORS, st.integers(0, 2)),
        st.tuples(st.just("delete"), KEYS),
    ),
    max_size=25,
)


def build(steps: list[Any], metric: Metric) -> tuple[VectorIndex, dict[str, tuple[list[float], int]]]:
    index, naive = VectorIndex(DIMENSION, metric), {}
    for step in steps:
        if step[0] == "put":
            _, key, vector, group = step
            index.put(key, np.array(vector, dtype=np.float32), {"group": group})
            naive[key] = (vector, group)
        else:
            assert index.delete(step[1]) == (step[1] in naive)
            naive.pop(step[1], None)
    return index, naive


def distance(metric: Metric, left: list[float], right: list[float]) -> float:
    if metric == "euclidean":
        return math.dist(left, right)
    dot = sum(a * b for a, b in zip(left, right, strict=True))
    return 1 - dot / (math.hypot(*left) * math.hypot(*right))


@settings(max_examples=200, deadline=None)
@given(
    steps=STEPS,
    query=VECTORS,
    top_k=st.integers(1, 9),
    group=st.one_of(st.none(), st.integers(0, 2)),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_queries_return_the_nearest(
    steps: list[Any], query: list[float], top_k: int, group: int | None, metric: Metric
) -> None:
    """As many as asked for or as there are, nearest first, none farther than one left out."""
    index, naive = build(steps, metric)

    def wanted(metadata: Mapping[str, Any]) -> bool:
        return bool(metadata["group"] == group)

    matches = index.query(np.array(query, dtype=np.float32), top_k, None if group is None else wanted)
    eligible = {
        key: distance(metric, query, vector)
        for key, (vector, own) in naive.items()
        if group is None or own == group
    }
    assert len(matches) == min(top_k, len(eligible))
    assert len({match.key for match in matches}) == len(matches)
    assert [match.distance for match in matches] == sorted(match.distance for match in matches)
    tolerance = 1e-5 if metric == "cosine" else 1e-3
    for match in matches:
        assert match.distance == pytest.approx(eligible[match.key], abs=tolerance)
        assert match.metadata == {"group": naive[match.key][1]}
    left_out = [value for key, value in eligible.items() if key not in {match.key for match in matches}]
    assert all(match.distance <= value + tolerance for match in matches for value in left_out)


@settings(deadline=None)
@given(steps=STEPS, limit=st.integers(1, 4), segments=st.integers(1, 4))
def test_pages_of_all_segments_give_every_key_once(steps: list[Any], limit: int, segments: int) -> None:
    index, naive = build(steps, "cosine")
    seen: list[str] = []
    for segment in range(segments):
        after: str | None = None
        while page := index.page(after, limit, (segments, segment)):
            assert list(page) == sorted(page)
            seen += page
            after = page[-1]
    assert sorted(seen) == sorted(naive)


@settings(deadline=None)
@given(steps=STEPS)
def test_vectors_come_back_bit_for_bit(steps: list[Any]) -> None:
    index, naive = build(steps, "cosine")
    assert len(index) == len(naive)
    for key, (vector, _) in naive.items():
        entry = index.get(key)
        assert entry is not None
        assert entry.data.tobytes() == np.array(vector, dtype=np.float32).tobytes()


def test_tiny_vectors_have_a_direction() -> None:
    """Squares of 1e-30 vanish in float32; the angle must not."""
    index = VectorIndex(2, "cosine")
    index.put("x", np.array([1e-30, 0], dtype=np.float32), None)
    index.put("y", np.array([0, 1e-30], dtype=np.float32), None)
    matches = index.query(np.array([1e-30, 0], dtype=np.float32), 2)
    assert [(match.key, match.distance) for match in matches] == [("x", 0.0), ("y", 1.0)]
