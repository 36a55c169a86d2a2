"""What is stored with a vector in the index, and what a search result is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Key(StrEnum):
    """Metadata keys of a vector."""

    DOCUMENT_ID = "document_id"
    AUTHOR = "author"
    KIND = "kind"
    LANGUAGE = "language"
    SOURCE = "source"
    TEXT = "text"
    TITLE = "title"
    URL = "url"


NON_FILTERABLE_KEYS = frozenset({Key.TEXT, Key.TITLE, Key.URL})
FILTERABLE_KEYS = frozenset(Key) - NON_FILTERABLE_KEYS

MAX_FILTERABLE_BYTES = 2 * 1024
"""S3 Vectors' limit for the filterable metadata of one vector, in bytes of JSON."""

MAX_METADATA_BYTES = 40 * 1024
"""S3 Vectors' limit for all metadata of one vector, in bytes of JSON."""


def vector_key(object_key: str, document_id: str, chunk: int) -> str:
    """Return the key of a document's chunk, counted from 0: `<32 hexadecimal digits>/00000`."""
    digest = hashlib.sha256(f"{object_key}\0{document_id}".encode()).hexdigest()
    return f"{digest[:32]}/{chunk:05}"


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of a document that a search found; `score` is the cosine similarity, -1 to 1."""

    document_id: str
    text: str
    score: float
    title: str | None = None
    url: str | None = None
    author: str | None = None
    kind: str | None = None
    language: str | None = None

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, object], score: float) -> Passage:
        """Read a vector's metadata. Raises `KeyError` without a document id or a text."""

        def optional(key: Key) -> str | None:
            value = metadata.get(key)
            return None if value is None else str(value)

        return cls(
            document_id=str(metadata[Key.DOCUMENT_ID]),
            text=str(metadata[Key.TEXT]),
            score=score,
            title=optional(Key.TITLE),
            url=optional(Key.URL),
            author=optional(Key.AUTHOR),
            kind=optional(Key.KIND),
            language=optional(Key.LANGUAGE),
        )
