"""Splits documents into chunks that the encoder sees whole.

A chunk is a slice of its document's text. It ends where its section does. A section that is too long is cut
at the last paragraph, sentence, line or word before the limit, and the next chunk repeats the end of it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from retrieval import MAX_TOKENS

from ingestion.sections import Section, line_starts, sentence_starts, split_sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingestion.documents import Document

OVERLAP_TOKENS = 64
"""Tokens of a chunk, at most, that the next one of the same section repeats."""

SMALL_SECTION_TOKENS = 64
"""A section with fewer tokens shares a chunk with the one after it."""

MAX_CONTEXT_TOKENS = 48
"""Tokens of the title and headings that are encoded before a chunk's text."""

SPECIAL_TOKENS = 2
LONGEST_WORD = 100
"""Characters beyond which the encoder's vocabulary takes a word for a single unknown token."""


class Tokenizer(Protocol):
    """The part of the encoder that chunking needs."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens, with the two special ones."""
        ...

    def token_spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Return where each token starts and ends, in characters."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text` is the slice [start, end) of its document's text; `context` is encoded before it."""

    start: int
    end: int
    text: str
    context: str = ""

    @property
    def encoded(self) -> str:
        """What the encoder gets: at most `MAX_TOKENS` tokens."""
        return f"{self.context}\n{self.text}" if self.context else self.text


def split(document: Document, tokenizer: Tokenizer) -> list[Chunk]:
    """Return the document's chunks in order. Together they cover all of its text but white space.

    There are none when the text has no token, as white space and control characters do not.
    """
    sections = split_sections(document.text, document.markup)
    chunks: list[Chunk] = []
    for section in _merge_small(sections, document.text, tokenizer):
        chunks += _Splitter(document, section, tokenizer).chunks()
    return chunks


def _merge_small(sections: list[Section], text: str, tokenizer: Tokenizer) -> list[Section]:
    """Join each small section to the one after it, the last one to the one before it."""
    merged: list[Section] = []
    small = False
    for section in sections:
        joined = _join(merged.pop(), section) if small else section
        small = len(tokenizer.token_spans(text[joined.start : joined.end])) < SMALL_SECTION_TOKENS
        merged.append(joined)
    if small and len(merged) > 1:
        last = merged.pop()
        merged.append(_join(merged.pop(), last))
    return merged


def _join(first: Section, second: Section) -> Section:
    """Return one section with the headings of the longer one."""
    longer = max(first, second, key=lambda section: section.end - section.start)
    blocks = first.blocks | second.blocks | {second.start}
    return Section(first.start, second.end, longer.path, longer.heading, blocks)


def _context(document: Document, section: Section, tokenizer: Tokenizer) -> str:
    """Return title and headings above the section, cut to `MAX_CONTEXT_TOKENS`."""
    title = document.attributes.title or ""
    headings = [each for each in (*section.path, section.heading) if each and each != title]
    context = " > ".join([title, *headings] if title else headings)
    spans = tokenizer.token_spans(context)
    return context if len(spans) <= MAX_CONTEXT_TOKENS else context[: spans[MAX_CONTEXT_TOKENS][0]].rstrip()


class _Splitter:
    """Splits one section at tokens: `_positions` has the character where each of its tokens starts."""

    def __init__(self, document: Document, section: Section, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._section = section
        self._text = document.text[section.start : section.end]
        self._context = _context(document, section, tokenizer)
        self._budget = MAX_TOKENS - tokenizer.count_tokens(self._context)
        self._positions = list(_positions(self._text, tokenizer))
        words = {
            token
            for token, position in enumerate(self._positions)
            if position == 0 or self._text[position - 1].isspace()
        }
        blocks = {start - section.start for start in section.blocks}
        self._breaks = [
            self._tokens_at(blocks),
            self._tokens_at(sentence_starts(self._text)),
            self._tokens_at(line_starts(self._text)),
            sorted(words),
        ]

    def _tokens_at(self, starts: set[int]) -> list[int]:
        """Return the first token at or after each start, in order."""
        found = {bisect_left(self._positions, start) for start in starts}
        return sorted(found)

    def chunks(self) -> Iterator[Chunk]:
        total = len(self._positions)
        start = 0
        while start < total:
            end, chunk = self._next(start)
            yield chunk
            start = end if end == total else self._overlap(start, end)

    def _next(self, start: int) -> tuple[int, Chunk]:
        """Return the chunk that starts at a token, and the token after it."""
        room = self._budget
        while True:
            end = self._end(start, room)
            chunk = self._chunk(start, end)
            excess = self._tokenizer.count_tokens(chunk.encoded) - MAX_TOKENS
            if excess <= 0:
                return end, chunk
            # A word that was cut may have more tokens in pieces than it has whole.
            room = max(1, min(room, end - start) - excess)

    def _end(self, start: int, room: int) -> int:
        """Return the last good break in the second half of the room, the better kinds first."""
        last = start + room
        if last >= len(self._positions):
            return len(self._positions)
        for breaks in self._breaks:
            index = bisect_left(breaks, last + 1) - 1
            if index >= 0 and breaks[index] > start + room // 2:
                return breaks[index]
        return last

    def _overlap(self, start: int, end: int) -> int:
        """Return the first sentence, else line, else word, of the last tokens before `end`."""
        earliest = max(start + 1, end - OVERLAP_TOKENS)
        while True:
            first = self._break_between(earliest, end)
            repeated = self._chunk(first, end).text
            # One character may be several tokens: a Hangul syllable is as many as it has letters.
            excess = len(self._tokenizer.token_spans(repeated)) - OVERLAP_TOKENS
            if excess <= 0 or first == end - 1:
                return first
            earliest = min(first + excess, end - 1)

    def _break_between(self, earliest: int, end: int) -> int:
        """Return the first break from `earliest` on and before `end`, the better kinds first."""
        for breaks in self._breaks[1:]:
            index = bisect_left(breaks, earliest)
            if index < len(breaks) and breaks[index] < end:
                return breaks[index]
        return earliest

    def _chunk(self, start: int, end: int) -> Chunk:
        first = 0 if start == 0 else self._positions[start]
        last = self._positions[end] if end < len(self._positions) else len(self._text)
        text = self._text[first:last]
        return Chunk(self._section.start + first, self._section.start + last, text.strip(), self._context)


def _positions(text: str, tokenizer: Tokenizer) -> Iterator[int]:
    """Yield where tokens start. A word too long for the vocabulary counts a token for each character."""
    previous = -1
    for start, end in tokenizer.token_spans(text):
        for position in range(start, end) if end - start > LONGEST_WORD else (start,):
            if position > previous:
                yield position
                previous = position
