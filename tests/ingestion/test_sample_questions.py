"""Retrieval over the sample corpus, as its questions judge it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ingestion.documents import Attributes, Document
from ingestion.parse import parse
from retrieval import Encoder

from tests.ingestion.ranking import mean_ndcg
from twin.corpus.files import scan

NDCG = 0.906
"""nDCG@10 of the samples as they are; a better one belongs here."""

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(_documents())


@pytest.fixture(scope="module")
def questions() -> list[dict[str, Any]]:
    content = json.loads((SAMPLES / "questions.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = content["questions"]
    return found


def _documents() -> Iterator[Document]:
    for file in scan(SAMPLES / "corpus").files.values():
        for each in parse(file.key, file.path.read_bytes(), Attributes(**file.attributes)):
            assert isinstance(each, Document), each
            yield each


def test_each_question_names_documents_that_exist(
    documents: list[Document], questions: list[dict[str, Any]]
) -> None:
    known = {each.id for each in documents}
    assert len(known) == len(documents)
    assert all(each["relevant"] and set(each["relevant"]) <= known for each in questions)


def test_the_documents_that_answer_are_found(
    encoder: Encoder, documents: list[Document], questions: list[dict[str, Any]]
) -> None:
    relevant = {each["question"]: set(each["relevant"]) for each in questions}
    assert mean_ndcg(encoder, documents, relevant) >= NDCG - 0.01
