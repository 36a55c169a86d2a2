"""Retrieval quality of chunks and encoder together, on the Cranfield collection."""

from __future__ import annotations

import json
from pathlib import Path

from ingestion.documents import Attributes, Document
from ingestion.parse import parse
from retrieval import Encoder

from tests.ingestion.ranking import mean_ndcg

FLOAT32_NDCG = 0.5029
"""nDCG@10 of the same chunks with the encoder built in float32."""

COLLECTION = Path(__file__).parents[1] / "data" / "cranfield-retrieval.json"


def test_chunks_are_found_as_well_as_in_float32(encoder: Encoder) -> None:
    collection = json.loads(COLLECTION.read_text(encoding="utf-8"))
    body = "\n".join(json.dumps(each) for each in collection["documents"])
    found = list(parse("cranfield.jsonl", body.encode(), Attributes()))
    documents = [each for each in found if isinstance(each, Document)]
    assert documents == found
    relevant = {each["question"]: set(each["relevant"]) for each in collection["questions"]}
    assert len(relevant) == len(collection["questions"])
    ndcg = mean_ndcg(encoder, documents, relevant)
    assert ndcg >= 0.48
    assert abs(ndcg - FLOAT32_NDCG) <= 0.005
