"""The shipped encoder against the reference implementation."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrieval import DIMENSION, MAX_TOKENS, Encoder, EncoderNotBuiltError
from retrieval.encoder import BATCH_TOKENS, batches

if TYPE_CHECKING:
    from tests.retrieval.conftest import Reference


def test_every_text_is_encoded_as_by_the_reference(encoder: Encoder, reference: Reference) -> None:
    alone = np.vstack([encoder.encode([text]) for text in reference.texts])
    assert reference.similarities(alone).min() > 0.995


def test_a_text_is_encoded_alike_in_any_batch(encoder: Encoder, reference: Reference) -> None:
    together = encoder.encode(reference.texts)
    assert reference.similarities(together).min() > 0.995
    backwards = encoder.encode(reference.texts[::-1])[::-1]
    assert (together * backwards).sum(axis=1).min() > 0.999


def test_embeddings_have_length_one(encoder: Encoder) -> None:
    embeddings = encoder.encode(["one", "two words", "", "🙂"])
    assert embeddings.shape == (4, DIMENSION)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_embeddings(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, DIMENSION)


def test_what_is_beyond_the_limit_does_not_matter(encoder: Encoder) -> None:
    seen = "word " * (MAX_TOKENS - 2)
    np.testing.assert_array_equal(encoder.encode([seen]), encoder.encode([seen + "unseen " * 50]))


def test_a_megabyte_is_encoded_like_its_start(encoder: Encoder) -> None:
    huge = "All work and no play. " * 50_000
    np.testing.assert_array_equal(encoder.encode([huge]), encoder.encode([huge[:10_000]]))


def test_related_texts_are_nearer_than_others(encoder: Encoder) -> None:
    question, answer, other = encoder.encode(
        ["How do I scale to zero?", "Copies drop to none when idle.", "Bake at 200 degrees for an hour."]
    )
    assert question @ answer > question @ other


def test_tokens_are_counted_with_the_special_ones(encoder: Encoder) -> None:
    assert encoder.count_tokens("") == 2
    assert encoder.count_tokens("hello world") == 4
    assert encoder.count_tokens("word " * 1000) == 1002


def test_spans_say_where_tokens_are(encoder: Encoder) -> None:
    text = "naïve  café, 数据"
    spans = encoder.token_spans(text)
    assert [text[start:end] for start, end in spans] == ["naïve", "café", ",", "数", "据"]


def test_without_the_model_the_message_names_the_file(tmp_path: Path) -> None:
    missing = tmp_path / "encoder.onnx"
    with pytest.raises(EncoderNotBuiltError) as caught:
        Encoder.load(tmp_path)
    assert str(caught.value) == f"{missing} is missing: build the encoder with build_encoder.py"


@given(st.lists(st.integers(2, MAX_TOKENS)))
def test_batches_partition_the_texts_within_the_limit(lengths: list[int]) -> None:
    found = list(batches(lengths))
    assert sorted(chain.from_iterable(found)) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) * max(lengths[index] for index in batch) <= BATCH_TOKENS
