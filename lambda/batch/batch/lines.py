"""JSON Lines as streams: one line in memory at a time, however long the file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Longest line of a client's file that is read: more than a context, which has an error of its own."""

MAX_OWN_LINE_BYTES = 32 * 1024 * 1024
"""Longest line of the objects that the steps and the transform job write."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end; `number` counts from 1. `content` is None where it is longer than the limit."""

    number: int
    content: bytes | None

    @property
    def blank(self) -> bool:
        return self.content is not None and not self.content.strip()


def split(chunks: Iterable[bytes], limit: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """Return the lines of the chunks, which may end anywhere, also within a character.

    Lines end with LF or CRLF, the last one may lack its end, and a byte order mark is passed over.
    At most `limit` bytes of a line are kept.
    """
    number, size, kept = 1, 0, bytearray()
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            size += end - start
            if size <= limit:
                kept += chunk[start:end]
            yield _line(number, kept if size <= limit else None)
            number, size, kept, start = number + 1, 0, bytearray(), end + 1
        size += len(chunk) - start
        if size <= limit:
            kept += chunk[start:]
        else:
            kept.clear()
    if size:
        yield _line(number, kept if size <= limit else None)


def _line(number: int, kept: bytearray | None) -> Line:
    if kept is None:
        return Line(number, None)
    content = bytes(kept.removesuffix(b"\r"))
    return Line(number, content.removeprefix(_BYTE_ORDER_MARK) if number == 1 else content)


def documents(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Return the JSON objects of the lines; a line that is none, or is too long, is passed over."""
    for _, document in _sized(chunks):
        yield document


def groups(chunks: Iterable[bytes], most_lines: int, most_bytes: int) -> Iterator[list[dict[str, Any]]]:
    """Return the documents in runs of so many lines and bytes at most, but of one line at least."""
    group: list[dict[str, Any]] = []
    total = 0
    for size, document in _sized(chunks):
        if group and (len(group) == most_lines or total + size > most_bytes):
            yield group
            group, total = [], 0
        group.append(document)
        total += size
    if group:
        yield group


def _sized(chunks: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects with their lengths in bytes."""
    for line in split(chunks, MAX_OWN_LINE_BYTES):
        content = line.content or b"null"
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            yield len(content), document


def encode(document: dict[str, Any]) -> bytes:
    """Return the JSON object as one line. Raises UnicodeEncodeError for half of a surrogate pair."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
