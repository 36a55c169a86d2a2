"""Embeddings: each text is encoded once, as long as it is kept."""

from __future__ import annotations

from batch.embeddings import Embeddings

from tests.batch.fakes import NumberingEncoder


def test_a_repeated_text_is_encoded_once() -> None:
    encoder = NumberingEncoder()
    embeddings = Embeddings(lambda: encoder)
    assert embeddings.of(["a", "b", "a"]) == [[0.0], [1.0], [0.0]]
    assert embeddings.of(["c", "b"]) == [[2.0], [1.0]]
    assert encoder.texts == ["a", "b", "c"]


def test_the_oldest_texts_are_forgotten() -> None:
    encoder = NumberingEncoder()
    embeddings = Embeddings(lambda: encoder, kept=2)
    assert embeddings.of(["a", "b", "c"]) == [[0.0], [1.0], [2.0]]
    embeddings.of(["c", "b", "a"])
    assert encoder.texts == ["a", "b", "c", "a"]


def test_the_encoder_is_loaded_for_the_first_text() -> None:
    loaded: list[NumberingEncoder] = []

    def load() -> NumberingEncoder:
        loaded.append(NumberingEncoder())
        return loaded[0]

    embeddings = Embeddings(load)
    assert embeddings.of([]) == []
    assert loaded == []
    assert embeddings.of(["a"]) == [[0.0]]
