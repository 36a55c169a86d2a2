"""Embeddings of what is searched for, made for many texts at once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEPT = 4_096
"""Texts whose embeddings are kept, at 1.5 KB each."""

_DIGEST_BYTES = 16


class Encoder(Protocol):
    """The part of the retrieval layer's encoder that is used here."""

    def encode(self, texts: Sequence[str]) -> Any:
        """Return an array of shape (len(texts), 384), each row of length 1."""
        ...


class Embeddings:
    """Encodes a text once that lines repeat, say with other instructions. `encoder` loads at first use."""

    def __init__(self, encoder: Callable[[], Encoder], kept: int = KEPT) -> None:
        self._encoder = encoder
        self._most = kept
        self._kept: dict[bytes, Any] = {}

    def of(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the embedding of each text."""
        digests = [hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest() for text in texts]
        new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in self._kept}
        if new:
            self._kept.update(zip(new, self._encoder().encode(list(new.values())).copy(), strict=True))
        vectors = [self._kept[digest].tolist() for digest in digests]
        for oldest in list(self._kept)[: max(0, len(self._kept) - self._most)]:
            del self._kept[oldest]
        return vectors
