"""Plain text, and how every text format is decoded."""

from __future__ import annotations

from ingestion.documents import Attributes, BadDocumentError, Document


def decode(body: bytes) -> str:
    """Return UTF-8 text with line feeds for line ends. Raises `BadDocumentError`."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        raise BadDocumentError(f"not UTF-8: byte {error.start} is 0x{wrong:02x}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_plain(key: str, body: bytes) -> tuple[Document, Attributes]:
    """Read plain text, whose paragraphs are separated by blank lines."""
    return Document(key, decode(body), "plain"), Attributes()
