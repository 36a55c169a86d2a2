"""JSON as it is sent: compact, in UTF-8."""

from __future__ import annotations

import json
from typing import Any


def to_json(value: Any) -> bytes:
    """Half of a surrogate pair, which a model may write and UTF-8 cannot hold, becomes `?`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
