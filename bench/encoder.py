"""The encoder of the built layer, for encoding questions outside a function."""

from __future__ import annotations

from pathlib import Path

from retrieval.encoder import Encoder

from twin.bundling import Target, ensure

ROOT = Path(__file__).resolve().parents[1]


def load_encoder() -> Encoder:
    layer = ensure(ROOT, Target.host())["retrieval"].path
    return Encoder.load(layer / "python" / "retrieval" / "model")
