"""PDF: its text layer."""

from __future__ import annotations

import io
import re
import struct
import zlib

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from ingestion.documents import Attributes, BadDocumentError, Document

DAMAGE = (
    PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What the reader raises for a damaged file, depending on where the damage is."""

HYPHENATED = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
WRAPPED = re.compile(r"(?<=[^\n.!?:])\n(?=[^\n\s•*-])")


def parse_pdf(key: str, body: bytes) -> tuple[Document, Attributes]:
    """Read the text of all pages, a paragraph break between them."""
    try:
        reader = PdfReader(io.BytesIO(body))
        if reader.is_encrypted:
            raise BadDocumentError("the PDF is encrypted")
        text = "\n\n".join(unwrap(page.extract_text()) for page in reader.pages)
        information = reader.metadata
        stated = Attributes(
            title=_clean(information.title if information else None),
            author=_clean(information.author if information else None),
        )
    except DAMAGE as error:
        raise BadDocumentError(f"not a PDF that can be read: {error or type(error).__name__}") from error
    if not text.strip():
        raise BadDocumentError("the PDF has no text layer; it may be a scan")
    return Document(key, text, "plain"), stated


def unwrap(text: str) -> str:
    """Join the lines of a paragraph, and words that are hyphenated at a line's end."""
    lines = "\n".join(line.strip() for line in text.splitlines())
    return WRAPPED.sub(" ", HYPHENATED.sub("", lines))


def _clean(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None
