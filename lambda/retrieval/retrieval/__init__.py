"""What the orchestrator and the ingestion function share: encoder, metadata, keys and filters.

Importing the package loads neither NumPy nor ONNX Runtime; `Encoder.load` does.
"""

from __future__ import annotations

from retrieval.encoder import DIMENSION, MAX_TOKENS, Encoder, EncoderNotBuiltError
from retrieval.filters import FilterError, normalize_filter
from retrieval.metadata import (
    FILTERABLE_KEYS,
    MAX_FILTERABLE_BYTES,
    MAX_METADATA_BYTES,
    NON_FILTERABLE_KEYS,
    Key,
    Passage,
    vector_key,
)

__all__ = [
    "DIMENSION",
    "FILTERABLE_KEYS",
    "MAX_FILTERABLE_BYTES",
    "MAX_METADATA_BYTES",
    "MAX_TOKENS",
    "NON_FILTERABLE_KEYS",
    "Encoder",
    "EncoderNotBuiltError",
    "FilterError",
    "Key",
    "Passage",
    "normalize_filter",
    "vector_key",
]
