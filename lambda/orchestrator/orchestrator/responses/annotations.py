"""The sources that an answer cites, as OpenAI's annotations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKER = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
"""`[2]`, or `[1, 3]`."""


def url_citations(text: str, sources: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """An annotation for each number in a marker whose source has an address.

    `sources` are the response's `search_results`. Indices are in characters, and enclose the marker.
    """
    by_index = {source["index"]: source for source in sources}
    return [
        {
            "type": "url_citation",
            "start_index": marker.start(),
            "end_index": marker.end(),
            "title": source.get("title") or source["url"],
            "url": source["url"],
        }
        for marker in _MARKER.finditer(text)
        for number in marker[1].split(",")
        if (source := by_index.get(int(number))) and source.get("url")
    ]
