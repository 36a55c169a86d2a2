"""The estimate of tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompting.tokens import estimate_tokens


@given(st.text(), st.text())
def test_the_whole_is_at_most_the_sum_of_its_parts(first: str, second: str) -> None:
    assert estimate_tokens(first + second) <= estimate_tokens(first) + estimate_tokens(second)


@given(st.text(), st.text())
def test_more_text_never_takes_fewer_tokens(first: str, second: str) -> None:
    assert estimate_tokens(first + second) >= estimate_tokens(first)


@given(st.text(min_size=1))
def test_a_text_takes_at_least_a_token(text: str) -> None:
    assert estimate_tokens(text) >= 1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("plain words", 4),
        ("2026", 4),
        ("if (a[0]) {\n}", 8 + 2),
        ("Übermut", 2 + 1),
        ("日本", 3),
        ("🙂", 4),
    ],
)
def test_characters_are_weighed_by_class(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
