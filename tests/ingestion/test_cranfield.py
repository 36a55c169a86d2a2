"""Retrieval quality of chunks and encoder together, on the Cranfield collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ingestion.chunk import split
from ingestion.documents import Attributes, Document
from ingestion.parse import parse
from retrieval import Encoder

FLOAT32_NDCG = 0.5029
"""nDCG@10 of the same chunks with the encoder built in float32."""

COLLECTION = Path(__file__).parents[1] / "data" / "cranfield-retrieval.json"


@pytest.fixture(scope="module")
def collection() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(COLLECTION.read_text(encoding="utf-8"))
    return content


def documents(collection: dict[str, Any]) -> list[Document]:
    """The collection as the ingestion function reads it: a document a line."""
    body = "\n".join(json.dumps(each) for each in collection["documents"])
    found = list(parse("cranfield.jsonl", body.encode(), Attributes()))
    assert all(isinstance(each, Document) for each in found)
    return [each for each in found if isinstance(each, Document)]


def binary_ndcg(ranking: list[str], relevant: set[str], depth: int = 10) -> float:
    """Gain 1 for each relevant document, discounted by log2(rank + 1), over the best possible."""
    gain = sum(1 / np.log2(rank + 2) for rank, each in enumerate(ranking[:depth]) if each in relevant)
    best = sum(1 / np.log2(rank + 2) for rank in range(min(depth, len(relevant))))
    return float(gain / best)


def test_chunks_are_found_as_well_as_in_float32(encoder: Encoder, collection: dict[str, Any]) -> None:
    chunks = [(each.id, chunk) for each in documents(collection) for chunk in split(each, encoder)]
    vectors = encoder.encode([chunk.encoded for _, chunk in chunks])
    questions = encoder.encode([each["question"] for each in collection["questions"]])
    scores = []
    for question, similarity in zip(collection["questions"], questions @ vectors.T, strict=True):
        order = np.argsort(-similarity, kind="stable")
        ranking = list(dict.fromkeys(chunks[index][0] for index in order[:100]))
        scores.append(binary_ndcg(ranking, set(question["relevant"])))
    found = float(np.mean(scores))
    assert found >= 0.48
    assert abs(found - FLOAT32_NDCG) <= 0.005
