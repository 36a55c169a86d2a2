from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.retrieval.built_encoder import DATA, ROOT, encoder, layer

__all__ = ["encoder", "layer"]


@dataclass(frozen=True)
class Reference:
    """Texts, and their embeddings by the reference implementation, shape (n, 384), each of length 1."""

    texts: list[str]
    embeddings: NDArray[np.float64]

    def similarities(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Cosine of each embedding with the reference's."""
        cosines: NDArray[np.float64] = (embeddings * self.embeddings).sum(axis=1)
        return cosines


@pytest.fixture(scope="session")
def reference() -> Reference:
    cases = json.loads((DATA / "minilm-reference-embeddings.json").read_text(encoding="utf-8"))["cases"]
    embeddings = np.array([case["embedding"] for case in cases])
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Reference([case["text"] for case in cases], embeddings / lengths)


@pytest.fixture(scope="session")
def build_encoder() -> ModuleType:
    """The build script as a module."""
    path = ROOT / "lambda" / "retrieval" / "build_encoder.py"
    spec = importlib.util.spec_from_file_location("build_encoder", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
