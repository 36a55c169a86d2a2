"""The suggestion in an error message."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The candidate most like `name`; the first in order of the alphabet when none is like it."""
    ordered = sorted(candidates)
    return get_close_matches(name, ordered, n=1, cutoff=0.0)[0] if ordered else ""
