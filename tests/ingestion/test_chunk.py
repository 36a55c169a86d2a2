"""Chunking, with the encoder's own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ingestion.chunk import MAX_CONTEXT_TOKENS, OVERLAP_TOKENS, Chunk, split
from ingestion.documents import Attributes, Document, Markup
from retrieval import MAX_TOKENS, Encoder

LONG_TITLE = "A title of many words " * 40

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
paragraphs = st.lists(words, max_size=120).map(" ".join)
code = st.lists(words, max_size=60).map(lambda lines: "```\n" + "\n".join(lines) + "\n```")
headings = st.builds(lambda level, words: f"{'#' * level} {words}", st.integers(1, 6), words)
solid = st.one_of(
    st.integers(1, 3000).map(lambda count: "x" * count),
    st.integers(1, 600).map(lambda count: "数据" * count),
    st.integers(1, 600).map(lambda count: "a/b?" * count),
)
texts = st.lists(st.one_of(paragraphs, code, headings, solid, st.text(max_size=200)), max_size=6).map(
    "\n\n".join
)
titles = st.one_of(st.none(), words, st.just(LONG_TITLE))


def chunks_of(
    encoder: Encoder, text: str, markup: Markup = "markdown", title: str | None = None
) -> list[Chunk]:
    return split(Document("d", text, markup, Attributes(title=title)), encoder)


def assert_nothing_is_lost(text: str, chunks: Sequence[Chunk]) -> None:
    """Each character that is not white space is in the text of a chunk, at its own place."""
    missing = {index for index, character in enumerate(text) if not character.isspace()}
    for chunk in chunks:
        source = text[chunk.start : chunk.end]
        assert source.strip() == chunk.text
        missing -= set(range(chunk.start, chunk.end))
    assert not missing


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=texts, title=titles, markup=st.sampled_from(["markdown", "plain"]))
def test_chunks_fit_the_encoder_and_lose_nothing(
    encoder: Encoder, text: str, title: str | None, markup: Markup
) -> None:
    chunks = chunks_of(encoder, text, markup, title)
    assert all(encoder.count_tokens(chunk.encoded) <= MAX_TOKENS for chunk in chunks)
    if encoder.token_spans(text):
        assert_nothing_is_lost(text, chunks)
    else:
        assert chunks == []
    for one, other in pairwise(chunks):
        assert one.start < other.start <= one.end
        assert one.end < other.end


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(words, min_size=300, max_size=800))
@example(["0", "0", "캠"] * 200)
def test_chunks_of_one_section_overlap(encoder: Encoder, section: list[str]) -> None:
    text = " ".join(section)
    for one, other in pairwise(chunks_of(encoder, text, "plain")):
        shared = text[other.start : one.end]
        assert shared
        assert len(encoder.token_spans(shared)) <= OVERLAP_TOKENS


def test_a_short_text_is_one_chunk(encoder: Encoder) -> None:
    (chunk,) = chunks_of(encoder, "# Title\n\nOne paragraph.\n\nAnother one.\n", title="Title")
    assert chunk.text == "# Title\n\nOne paragraph.\n\nAnother one."
    assert chunk.encoded == f"Title\n{chunk.text}"


@pytest.mark.parametrize("text", ["", " \n\t\n", "\x1b\x00"])
def test_no_text_gives_no_chunks(encoder: Encoder, text: str) -> None:
    assert chunks_of(encoder, text) == []


def sentences(count: int, subject: str = "copy") -> str:
    return " ".join(f"The {subject} number {number} takes one request." for number in range(count))


def test_sections_are_chunks_of_their_own(encoder: Encoder) -> None:
    text = f"# Guide\n\n## Scaling\n\n{sentences(15)}\n\n## Cost\n\n{sentences(15, 'dollar')}\n"
    scaling, cost = chunks_of(encoder, text, title="Guide")
    assert scaling.text.startswith("# Guide\n\n## Scaling\n\nThe copy number 0")
    assert cost.text.startswith("## Cost\n\nThe dollar number 0")
    assert [scaling.context, cost.context] == ["Guide > Scaling", "Guide > Cost"]


def test_headings_above_are_context(encoder: Encoder) -> None:
    text = f"# Guide\n\n{sentences(10)}\n\n## Scaling\n\n{sentences(10)}\n\n### To zero\n\n{sentences(10)}"
    contexts = [chunk.context for chunk in chunks_of(encoder, text, title="Handbook")]
    assert contexts == [
        "Handbook > Guide",
        "Handbook > Guide > Scaling",
        "Handbook > Guide > Scaling > To zero",
    ]


def test_small_sections_share_a_chunk(encoder: Encoder) -> None:
    text = "## One\n\nFirst.\n\n## Two\n\nSecond.\n\n## Three\n\nThird.\n"
    (chunk,) = chunks_of(encoder, text)
    assert chunk.text == text.strip()


def test_a_small_last_section_is_in_the_chunk_before_it(encoder: Encoder) -> None:
    text = f"## One\n\n{sentences(10)}\n\n## Two\n\nSecond.\n"
    (chunk,) = chunks_of(encoder, text)
    assert chunk.text.endswith("## Two\n\nSecond.")


def test_a_long_section_is_cut_between_paragraphs(encoder: Encoder) -> None:
    text = "\n\n".join(sentences(8, subject) for subject in ("copy", "queue", "model", "token"))
    for chunk in chunks_of(encoder, text, "plain")[:-1]:
        assert text[: chunk.end].endswith("request.\n\n")


def test_a_long_paragraph_is_cut_between_sentences(encoder: Encoder) -> None:
    chunks = chunks_of(encoder, sentences(80), "plain")
    assert len(chunks) > 2
    assert all(chunk.text.startswith("The copy number") for chunk in chunks)
    assert all(chunk.text.endswith("takes one request.") for chunk in chunks)


def test_a_long_code_fence_is_cut_between_lines(encoder: Encoder) -> None:
    lines = "\n".join(f"    total_{number} = compute(total_{number}, {number})" for number in range(60))
    text = f"# Code\n\n```python\n{lines}\n```\n"
    chunks = chunks_of(encoder, text)
    assert len(chunks) > 2
    for chunk in chunks[:-1]:
        assert text[: chunk.end].rstrip(" ").endswith("\n")


def test_a_heading_in_a_code_fence_is_none(encoder: Encoder) -> None:
    text = f"# Real\n\n{sentences(10)}\n\n```sh\n# comment\n{sentences(10)}\n```\n"
    assert {chunk.context for chunk in chunks_of(encoder, text)} == {"Real"}


def test_a_hash_in_plain_text_is_no_heading(encoder: Encoder) -> None:
    (chunk,) = chunks_of(encoder, "# not a heading\n\nwords", "plain")
    assert chunk.context == ""


def test_a_long_title_leaves_room_for_text(encoder: Encoder) -> None:
    (chunk,) = chunks_of(encoder, "Some words.", title=LONG_TITLE)
    assert len(encoder.token_spans(chunk.context)) == MAX_CONTEXT_TOKENS
    assert chunk.text == "Some words."


def test_link_definitions_are_kept(encoder: Encoder) -> None:
    text = "See [the guide].\n\n[the guide]: https://example.org/guide\n"
    (chunk,) = chunks_of(encoder, text)
    assert "https://example.org/guide" in chunk.text
