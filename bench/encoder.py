"""The encoder: how fast the layer is imported and a question encoded, and how large the layer is."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from retrieval.encoder import Encoder

from bench.report import Row
from twin.bundling import Target, ensure

ROOT = Path(__file__).resolve().parents[1]
RUNS = 5
ROUNDS = 200
QUESTION = "Which deployment type fits a chatbot that must answer in under a second?"
"""17 tokens with the two special ones."""

_IMPORT = """
import time
started = time.perf_counter()
import numpy, onnxruntime, retrieval, tokenizers
print(time.perf_counter() - started)
"""


def load_encoder() -> Encoder:
    """Load the encoder of the built layer, for encoding questions outside a function."""
    return Encoder.load(_layer() / "python" / "retrieval" / "model")


def measure() -> list[Row]:
    encoder = load_encoder()
    tokens = encoder.count_tokens(QUESTION)
    imported = min(_import_ms() for _ in range(RUNS))
    size = _size_mb(ensure(ROOT, Target.aws(), ["retrieval"])["retrieval"].path)
    return [
        Row("retrieval layer: import without byte-code", imported, "ms", limit=500),
        Row("retrieval layer for arm64, unzipped", size, "MB", limit=220),
        Row(
            f"encoding {tokens} tokens, one thread, p50",
            _encode_ms(encoder),
            "ms",
            beside=10.8,
            rival="ONNX Runtime, float32, unfused",
        ),
    ]


def _layer() -> Path:
    return ensure(ROOT, Target.host())["retrieval"].path


def _import_ms() -> float:
    """Milliseconds in a fresh process that sees the layer and the standard library alone."""
    variables = {"PYTHONPATH": str(_layer() / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-c", _IMPORT]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return float(done.stdout) * 1000


def _encode_ms(encoder: Encoder) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        encoder.encode([QUESTION])
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
