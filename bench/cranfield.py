"""All of Cranfield through the deployed ingestion pipeline, then its questions against the index."""

from __future__ import annotations

import json
import math
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.encoder import load_encoder
from bench.report import Row
from stacks.naming import VECTOR_INDEX, Outputs
from twin.deployment.outputs import Deployment
from twin.deployment.target import LOCAL_ENVIRONMENT, Target

if TYPE_CHECKING:
    from bench.clone import Clone

DATA = Path(__file__).resolve().parents[1] / "tests" / "data" / "cranfield-retrieval.json"
DEPTH = 10
CHUNKS = 60


def measure(clone: Clone) -> list[Row]:
    """Sync the 1,398 documents, wait until all are searchable, and score the 113 questions."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    folder = clone.root / "build" / "cranfield"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(document) for document in data["documents"])
    (folder / "cranfield.jsonl").write_text("\n".join(lines), encoding="utf-8")

    command = [str(clone.root / ".venv/bin/python"), "-m", "twin", "corpus", "sync", str(folder)]
    started = time.monotonic()
    subprocess.run([*command, "--wait", "--yes", "--port", str(clone.port)], cwd=clone.root, check=True)
    seconds = time.monotonic() - started

    score = _mean_ndcg(clone, data["questions"])
    return [
        Row(f"Cranfield, {len(data['documents'])} documents synced and searchable", seconds, "s", limit=120),
        Row(
            f"Cranfield, dense nDCG@{DEPTH} over {len(data['questions'])} questions",
            score,
            "",
            limit=0.48,
            at_least=True,
            beside=0.501,
            rival="the encoder alone, whole documents",
        ),
    ]


def _mean_ndcg(clone: Clone, questions: list[dict[str, Any]]) -> float:
    target = Target.of(LOCAL_ENVIRONMENT, region="us-east-1", port=clone.port, state=clone.state)
    bucket = Deployment(target).output("storage", Outputs.VECTOR_BUCKET)
    vectors = target.client("s3vectors")
    encoder = load_encoder()
    total = 0.0
    for question in questions:
        found = vectors.query_vectors(
            vectorBucketName=bucket,
            indexName=VECTOR_INDEX,
            topK=CHUNKS,
            queryVector={"float32": encoder.encode([question["question"]])[0].tolist()},
            returnMetadata=True,
        )["vectors"]
        ranked = list(dict.fromkeys(vector["metadata"]["document_id"] for vector in found))
        total += _ndcg(ranked[:DEPTH], set(question["relevant"]))
    return total / len(questions)


def _ndcg(ranked: list[str], relevant: set[str]) -> float:
    """Binary normalized discounted cumulative gain at `DEPTH`."""
    gain = sum(1 / math.log2(place + 2) for place, document in enumerate(ranked) if document in relevant)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(DEPTH, len(relevant))))
    return gain / ideal if ideal else 0.0
