"""What the formats are parsed to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Markup = Literal["markdown", "plain"]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known about a document besides its text; None where it is not."""

    title: str | None = None
    url: str | None = None
    author: str | None = None
    kind: str | None = None
    language: str | None = None

    def over(self, other: Attributes) -> Attributes:
        """Fill what is unknown here from `other`."""
        return Attributes(
            title=self.title or other.title,
            url=self.url or other.url,
            author=self.author or other.author,
            kind=self.kind or other.kind,
            language=self.language or other.language,
        )


ATTRIBUTE_NAMES = ("title", "url", "author", "kind", "language")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the corpus: a file, or a line of a JSON Lines file."""

    id: str
    text: str
    markup: Markup = "plain"
    attributes: Attributes = field(default_factory=Attributes)
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document is not indexed. `document` and `line` say which, as far as that is known."""

    reason: str
    document: str | None = None
    line: int | None = None


class BadDocumentError(Exception):
    """The document cannot be indexed as it is; the message is the reason, for the document's author."""
