"""JSON Lines: a document a line, with `id` and `text`, and optionally the attributes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ingestion.documents import ATTRIBUTE_NAMES, Attributes, BadDocumentError, Document, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ID_CHARACTERS = 1_024
"""Longer ids could not be stored with a vector, nor named in a dead letter."""


def parse_json_lines(body: bytes, metadata: Attributes) -> Iterator[Document | Problem]:
    """Yield a document, or why it is none, for each line that is not blank.

    Texts may be Markdown. Keys other than `id`, `text` and the attributes are ignored.
    """
    lines_of: dict[str, int] = {}
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        identifier = None
        try:
            values = _object(line)
            identifier = _identifier(values)
            if identifier in lines_of:
                raise BadDocumentError(f"the id is that of line {lines_of[identifier]} already")
            lines_of[identifier] = number
            yield _document(identifier, values, metadata, number)
        except BadDocumentError as error:
            yield Problem(str(error), identifier, number)


def _object(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadDocumentError(f"not UTF-8: byte {error.start} of the line") from None
    except json.JSONDecodeError as error:
        raise BadDocumentError(f"not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise BadDocumentError(f"not JSON that can be read: {type(error).__name__}") from None
    if not isinstance(values, dict):
        raise BadDocumentError("not a JSON object")
    return values


def _identifier(values: dict[str, Any]) -> str:
    value = values.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    identifier = _string("id", value)
    if len(identifier) > MAX_ID_CHARACTERS:
        raise BadDocumentError(f"'id' has {len(identifier)} characters, the limit is {MAX_ID_CHARACTERS}")
    return identifier


def _document(identifier: str, values: dict[str, Any], metadata: Attributes, line: int) -> Document:
    text = _string("text", values.get("text"))
    stated = {
        name: _string(name, values[name]) for name in ATTRIBUTE_NAMES if values.get(name) not in (None, "")
    }
    return Document(identifier, text, "markdown", Attributes(**stated).over(metadata), line)


def _string(name: str, value: object) -> str:
    if value is None:
        raise BadDocumentError(f"{name!r} is missing")
    if not isinstance(value, str):
        raise BadDocumentError(f"{name!r} must be a string, not {json.dumps(value)[:40]}")
    if not value.strip():
        raise BadDocumentError(f"{name!r} is empty")
    if not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
        raise BadDocumentError(f"{name!r} contains half a surrogate pair, which is no character")
    return value
