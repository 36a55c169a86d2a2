"""Turns an object of the corpus bucket into documents.

The format follows from the key's extension. A value of `title`, `url`, `author`, `kind` or `language` in the
document itself goes before the object's metadata, and that before what can be derived from the document.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from ingestion.documents import Attributes, BadDocumentError, Document, Problem
from ingestion.parse.html import parse_html
from ingestion.parse.json_lines import parse_json_lines
from ingestion.parse.markdown import parse_markdown
from ingestion.parse.pdf import parse_pdf
from ingestion.parse.plain import parse_plain

if TYPE_CHECKING:
    from collections.abc import Iterable


class FileParser(Protocol):
    def __call__(self, key: str, body: bytes) -> tuple[Document, Attributes]:
        """Return the document, with the attributes that it states, and those that can be derived.

        Raises `BadDocumentError`.
        """
        ...


FILE_PARSERS: dict[str, FileParser] = {
    ".md": parse_markdown,
    ".markdown": parse_markdown,
    ".txt": parse_plain,
    ".html": parse_html,
    ".htm": parse_html,
    ".pdf": parse_pdf,
}
JSON_LINES = ".jsonl"
EXTENSIONS = frozenset({*FILE_PARSERS, JSON_LINES})


def parse(key: str, body: bytes, metadata: Attributes) -> Iterable[Document | Problem]:
    """Yield what the object contains, in order. `metadata` are the object's own attributes."""
    extension = PurePosixPath(key).suffix.lower()
    if extension == JSON_LINES:
        yield from parse_json_lines(body, metadata)
        return
    parser = FILE_PARSERS.get(extension)
    try:
        if parser is None:
            raise BadDocumentError(
                f"the format {extension or 'without extension'!r} is not one of {_known()}"
            )
        document, derived = parser(key, body)
        if not document.text.strip():
            raise BadDocumentError("the document has no text")
    except BadDocumentError as error:
        yield Problem(str(error), document=key)
        return
    attributes = document.attributes.over(metadata).over(derived).over(_named_after(key))
    whole = {name: _whole(value) for name, value in asdict(attributes).items() if value}
    yield Document(document.id, _whole(document.text), document.markup, Attributes(**whole))


def _whole(text: str) -> str:
    """Join the halves of surrogate pairs, as YAML's escapes and PDF's fonts give them; replace single ones.

    UTF-8 has no code for a half, so neither the tokenizer nor the index takes one.
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _named_after(key: str) -> Attributes:
    return Attributes(title=PurePosixPath(key).stem)


def _known() -> str:
    return ", ".join(sorted(EXTENSIONS))
