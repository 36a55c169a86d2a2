"""JSON Lines: a document a line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ingestion.documents import Attributes, Document, Problem
from ingestion.parse import parse


def items(*lines: Any, metadata: Attributes | None = None) -> list[Document | Problem]:
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return list(parse("a.jsonl", b"\n".join(encoded), metadata or Attributes()))


def test_a_line_is_a_document() -> None:
    full = {
        "id": "a",
        "text": "Words.",
        "title": "A",
        "url": "https://example.org",
        "author": "Ada",
        "kind": "post",
        "language": "en",
        "published": 2024,
    }
    attributes = Attributes("A", "https://example.org", "Ada", "post", "en")
    assert items(full, {"id": 2, "text": "More."}) == [
        Document("a", "Words.", "markdown", attributes, 1),
        Document("2", "More.", "markdown", Attributes(), 2),
    ]


def test_blank_lines_and_a_byte_order_mark_do_not_count() -> None:
    found = items(b'\xef\xbb\xbf{"id": "a", "text": "A"}\r', b" ", b"", b'{"id": "b", "text": "B"}', b"")
    assert [(item.id, item.line) for item in found if isinstance(item, Document)] == [("a", 1), ("b", 4)]


def test_attributes_of_the_object_fill_the_gaps() -> None:
    metadata = Attributes(author="Grace", kind="post")
    (found,) = items({"id": "a", "text": "A", "author": "Ada"}, metadata=metadata)
    assert isinstance(found, Document)
    assert found.attributes == Attributes(author="Ada", kind="post")


def test_absent_attributes_may_be_null_or_empty() -> None:
    (found,) = items({"id": "a", "text": "A", "author": None, "title": ""})
    assert isinstance(found, Document)
    assert found.attributes == Attributes()


@pytest.mark.parametrize(
    ("line", "document", "expected"),
    [
        (b'{"id": "a", ', None, "not JSON: Expecting property name enclosed in double quotes at column 13"),
        (b'{"id": "\xff"}', None, "not UTF-8: byte 8 of the line"),
        (b"[" * 100_000, None, "not JSON that can be read: RecursionError"),
        (["a"], None, "not a JSON object"),
        ({"text": "A"}, None, "'id' is missing"),
        ({"id": "", "text": "A"}, None, "'id' is empty"),
        ({"id": "i" * 1_025, "text": "A"}, None, "'id' has 1025 characters, the limit is 1024"),
        ({"id": True, "text": "A"}, None, "'id' must be a string, not true"),
        ({"id": "a"}, "a", "'text' is missing"),
        ({"id": "a", "text": " "}, "a", "'text' is empty"),
        ({"id": "a", "text": ["A"]}, "a", "'text' must be a string, not [\"A\"]"),
        ({"id": "a", "text": "A", "author": 1}, "a", "'author' must be a string, not 1"),
        (
            b'{"id": "a", "text": "half \\ud83d"}',
            "a",
            "'text' contains half a surrogate pair, which is no character",
        ),
        ({"id": "good", "text": "again"}, "good", "the id is that of line 1 already"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(line: Any, document: str | None, expected: str) -> None:
    first, bad, last = items({"id": "good", "text": "A"}, line, {"id": "last", "text": "B"})
    assert bad == Problem(expected, document, 2)
    assert isinstance(first, Document)
    assert isinstance(last, Document)
