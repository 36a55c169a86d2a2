"""Where a text's headings, paragraphs, code fences and sentences begin.

All positions are characters of the text. Sections partition it, so that no text can be lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.token import Token

    from ingestion.documents import Markup

PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
SENTENCE = re.compile(r"""[.!?]["')\]]*\s+|[。！？]\s*""")  # noqa: RUF001 - full-width punctuation is meant
LINE = re.compile(r"\n\s*")

_parser = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with the text below it; `path` has the headings above it, outermost first."""

    start: int
    end: int
    path: tuple[str, ...] = ()
    heading: str | None = None
    blocks: frozenset[int] = frozenset()
    """Starts of its paragraphs, code fences, lists and tables."""


def split_sections(text: str, markup: Markup) -> list[Section]:
    """Return the sections of the text in order, the first starting at 0; none without text."""
    if not text.strip():
        return []
    if markup == "plain":
        starts = frozenset(match.end() for match in PARAGRAPH.finditer(text))
        return [Section(0, len(text), blocks=starts)]
    return list(_markdown_sections(text))


def sentence_starts(text: str) -> set[int]:
    """Return where sentences start, the first one excepted."""
    return {match.end() for match in SENTENCE.finditer(text)}


def line_starts(text: str) -> set[int]:
    """Return where the text of a line starts, the first one excepted."""
    return {match.end() for match in LINE.finditer(text)}


@dataclass(frozen=True, slots=True)
class _Heading:
    start: int
    level: int
    title: str


def _markdown_sections(text: str) -> Iterator[Section]:
    lines = _line_starts(text)
    tokens = _parser.parse(text)
    starts = sorted(lines[token.map[0]] for token in tokens if token.map and token.level == 0)
    headings = list(_headings(tokens, lines))
    above: list[_Heading] = []
    bounds = [heading.start for heading in headings] + [len(text)]
    if not headings or text[: bounds[0]].strip():
        yield Section(0, bounds[0], blocks=_within(starts, 0, bounds[0]))
    for number, (heading, end) in enumerate(zip(headings, bounds[1:], strict=True)):
        above = [each for each in above if each.level < heading.level]
        first = 0 if number == 0 and not text[: heading.start].strip() else heading.start
        path = tuple(each.title for each in above)
        yield Section(first, end, path, heading.title, _within(starts, first, end))
        above.append(heading)


def _headings(tokens: list[Token], lines: list[int]) -> Iterator[_Heading]:
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            yield _Heading(lines[token.map[0]], int(token.tag[1:]), plain_text(inline))


def plain_text(inline: Token) -> str:
    """Return the words of an inline token without its markup."""
    parts = (child.content if child.content else " " for child in inline.children or [])
    return " ".join("".join(parts).split())


def _line_starts(text: str) -> list[int]:
    """Return the start of each line as the parser counts them, and the end of the text."""
    starts = [0]
    starts += [match.end() for match in re.finditer(r"\r\n|\n|\r", text)]
    return [*starts, len(text)]


def _within(starts: Iterable[int], first: int, end: int) -> frozenset[int]:
    return frozenset(start for start in starts if first < start < end)
