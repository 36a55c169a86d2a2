"""The retrieval layer as it is shipped, and its encoder, for the tests that need the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from retrieval import Encoder

from twin.bundling import Target, ensure

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def layer() -> Path:
    """The layer's folder for this machine, built once and then kept."""
    return ensure(ROOT, Target.host(), ["retrieval"])["retrieval"].path


@pytest.fixture(scope="session")
def encoder(layer: Path) -> Encoder:
    return Encoder.load(layer / "python" / "retrieval" / "model", threads=2)
