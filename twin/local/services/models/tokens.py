"""A tokenizer without a vocabulary: pieces of at most six letters, about four characters on average."""

from __future__ import annotations

import re

_PIECE = re.compile(r" ?[^\W\d_]{1,6}| ?\d{1,3}| ?[^\w\s]|_|\s+")

TOKENS_PER_MESSAGE = 4
"""What a chat template adds around each message: role, separators."""


def split_tokens(text: str) -> list[str]:
    """Pieces whose concatenation is `text`."""
    return _PIECE.findall(text)


def count_tokens(text: str) -> int:
    return sum(1 for _ in _PIECE.finditer(text))
