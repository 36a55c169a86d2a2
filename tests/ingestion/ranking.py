"""How well a ranking answers a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ingestion.chunk import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingestion.documents import Document
    from retrieval import Encoder

DEPTH = 10
"""How far down a ranking counts."""


def binary_ndcg(ranking: Sequence[str], relevant: set[str]) -> float:
    """Gain 1 for each relevant document, discounted by log2(rank + 1), over the best possible."""
    gain = sum(1 / np.log2(rank + 2) for rank, each in enumerate(ranking[:DEPTH]) if each in relevant)
    best = sum(1 / np.log2(rank + 2) for rank in range(min(DEPTH, len(relevant))))
    return float(gain / best)


def mean_ndcg(encoder: Encoder, documents: Sequence[Document], relevant: Mapping[str, set[str]]) -> float:
    """Mean over questions, each with the ids that answer it; a document ranks where its best chunk does."""
    chunks = [(each.id, chunk) for each in documents for chunk in split(each, encoder)]
    vectors = encoder.encode([chunk.encoded for _, chunk in chunks])
    scores = []
    for similarity, ids in zip(encoder.encode(list(relevant)) @ vectors.T, relevant.values(), strict=True):
        order = np.argsort(-similarity, kind="stable")
        ranking = list(dict.fromkeys(chunks[index][0] for index in order[:100]))
        scores.append(binary_ndcg(ranking, ids))
    return float(np.mean(scores))
