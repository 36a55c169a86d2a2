"""What a vector's metadata may be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from typing import Any

from twin.local.services.vectors.errors import invalid

MAX_KEYS = 50
MAX_BYTES = 40 * 1024
MAX_FILTERABLE_BYTES = 2 * 1024


def check_metadata(key: str, metadata: object, non_filterable: Set[str]) -> Mapping[str, Any]:
    """Return the metadata of vector `key`, or raise `ValidationException`.

    Sizes are those of compact JSON in UTF-8: 40 KB in all, 2 KB of what filters may use.
    """
    if not isinstance(metadata, dict):
        raise invalid("vectors", f"Invalid record for key '{key}': metadata must be an object")
    if len(metadata) > MAX_KEYS:
        raise invalid(
            "vectors", f"Invalid record for key '{key}': {len(metadata)} metadata keys, at most {MAX_KEYS}"
        )
    for name, value in metadata.items():
        _check_value(key, name, value)
    total = _size(metadata)
    if total > MAX_BYTES:
        raise invalid(
            "vectors", f"Invalid record for key '{key}': {total} bytes of metadata, at most {MAX_BYTES}"
        )
    filterable = {name: value for name, value in metadata.items() if name not in non_filterable}
    size = _size(filterable)
    if size > MAX_FILTERABLE_BYTES:
        message = f"Filterable metadata must have at most {MAX_FILTERABLE_BYTES} bytes, found {size}"
        raise invalid("vectors", f"Invalid record for key '{key}': {message}")
    return metadata


def _check_value(key: str, name: str, value: object) -> None:
    elements = value if isinstance(value, list) else [value]
    if all(isinstance(element, (str, bool, int, float)) for element in elements):
        return
    raise invalid(
        "vectors",
        f"Invalid record for key '{key}': metadata '{name}' must be a string, a number, a boolean "
        "or a list of them",
    )


def _size(metadata: Mapping[str, Any]) -> int:
    return len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())
