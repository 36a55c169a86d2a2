"""Keys and metadata of vectors."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrieval import FILTERABLE_KEYS, NON_FILTERABLE_KEYS, Passage, vector_key


def test_the_keys_are_those_that_the_index_is_made_with() -> None:
    assert sorted(FILTERABLE_KEYS) == ["author", "document_id", "kind", "language", "source"]
    assert sorted(NON_FILTERABLE_KEYS) == ["text", "title", "url"]


def test_a_vector_key_is_pinned() -> None:
    assert vector_key("articles/a.md", "a", 7) == "5db7f271e925ae9f8a4749fbfa4f5cfd/00007"


@given(st.text(), st.text(), st.integers(0, 99_999))
def test_a_vector_key_has_a_fixed_form(source: str, document: str, chunk: int) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}/\d{5}", vector_key(source, document, chunk))


def test_equal_ids_in_different_objects_have_different_keys() -> None:
    assert vector_key("a.jsonl", "1", 0) != vector_key("b.jsonl", "1", 0)


def test_a_passage_is_read_from_metadata() -> None:
    metadata = {"document_id": "a", "text": "words", "title": "A", "source": "a.md"}
    assert Passage.from_metadata(metadata, 0.5) == Passage("a", "words", 0.5, title="A")


def test_metadata_without_a_text_is_no_passage() -> None:
    with pytest.raises(KeyError):
        Passage.from_metadata({"document_id": "a"}, 0.5)
