"""Markdown, with YAML front matter for the attributes."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import yaml
from markdown_it import MarkdownIt

from ingestion.documents import ATTRIBUTE_NAMES, Attributes, BadDocumentError, Document
from ingestion.parse.plain import decode
from ingestion.sections import plain_text

FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)

_parser = MarkdownIt("commonmark")


def parse_markdown(key: str, body: bytes) -> tuple[Document, Attributes]:
    """Read front matter and text; the first heading of level 1 is the title if none is stated."""
    attributes, text = split_front_matter(decode(body))
    return Document(key, text, "markdown", attributes), Attributes(title=_first_title(text))


def split_front_matter(text: str) -> tuple[Attributes, str]:
    """Return the attributes in the front matter and the text after it. Raises `BadDocumentError`.

    Keys other than the attributes are ignored: other programs may read them.
    """
    found = FRONT_MATTER.match(text)
    if found is None:
        return Attributes(), text
    values = _mapping(found[1])
    known = {name: _scalar(name, values[name]) for name in ATTRIBUTE_NAMES if name in values}
    return Attributes(**known), text[found.end() :]


def _mapping(source: str) -> dict[Any, Any]:
    try:
        # The base loader makes nothing but strings, lists and dictionaries, so `title: 2024` stays text.
        values = yaml.load(source, Loader=yaml.BaseLoader)  # noqa: S506 - see above
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise BadDocumentError(f"front matter, line {line}: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadDocumentError(f"front matter: {type(error).__name__}") from None
    if values in (None, ""):
        return {}
    if not isinstance(values, dict):
        raise BadDocumentError("front matter: expected lines like `title: …`")
    return values


def _scalar(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        kind = "a list" if isinstance(value, list) else "a mapping"
        raise BadDocumentError(f"front matter: {name} must be a single value, not {kind}")
    return value.strip() or None


def _first_title(text: str) -> str | None:
    tokens = _parser.parse(text)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            return plain_text(inline) or None
    return None
