"""Pauses between the attempts at a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redelivery.backoff import Backoff

BACKOFF = Backoff(first_seconds=15, longest_seconds=3_600)


@pytest.mark.parametrize(
    ("receives", "seconds"), [(1, 15), (2, 30), (3, 60), (5, 240), (8, 1_920), (9, 3_600), (1_000, 3_600)]
)
def test_pauses_double_up_to_the_longest(receives: int, seconds: int) -> None:
    assert BACKOFF.seconds(receives, 0.5) == seconds


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_pause_is_within_a_quarter_of_its_middle_and_at_most_the_longest(
    receives: int, chance: float
) -> None:
    middle = BACKOFF.seconds(receives, 0.5)
    found = BACKOFF.seconds(receives, chance)
    assert 0.75 * middle - 1 <= found <= min(3_600, 1.25 * middle + 1)
