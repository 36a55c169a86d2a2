"""The `<sources>` block of a prompt, and the sentences in it that fit a question best."""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

_BLOCK = re.compile(r"<sources>(.*?)</sources>", re.DOTALL)
_SOURCE = re.compile(r'<source\s+id="([^"]*)"([^>]*)>(.*?)</source>', re.DOTALL)
_TITLE = re.compile(r'\btitle="([^"]*)"')
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=[^a-z\s])")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_MARKUP = re.compile(r"^\s*(?:[#>|*+-]+|\d+[.)])\s+|[*_`]{1,3}")

_FUNCTION_WORDS = (
    "a about after all also an and any are as at be been being but by can could did do does doing for "
    "from had has have having he her his how i if in into is it its just me more most my no not of on "
    "only or other our out over she should so some such than that the their them then there these "
    "they this those through to too under until up use used using very was we were what when where "
    "which while who whom why will with would you your"
)
_STOPWORDS = frozenset(_FUNCTION_WORDS.split())
_MIN_WORDS = 4
_MAX_SENTENCES = 3
_MIN_COVERAGE = 0.34
_TITLE_WEIGHT = 0.2
_RANK_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Source:
    """One numbered source of a prompt."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence, the source it comes from, and how well it fits the question (higher is better)."""

    sentence: str
    source_id: str
    score: float


def parse_sources(prompt: str) -> list[Source]:
    """The sources in the first `<sources>` block, in order; none when there is no block."""
    block = _BLOCK.search(prompt)
    if block is None:
        return []
    sources = []
    for id_, attributes, text in _SOURCE.findall(block[1]):
        title = _TITLE.search(attributes)
        sources.append(Source(id_, html.unescape(title[1]) if title else "", html.unescape(text).strip()))
    return sources


def split_sentences(text: str) -> list[str]:
    """Sentences of at least four words; headings and Markdown marks are left out."""
    sentences: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line for line in paragraph.splitlines() if not line.lstrip().startswith(("#", "```"))]
        plain = " ".join(_MARKUP.sub("", line).strip() for line in lines)
        sentences += _SENTENCE_END.split(plain)
    return [sentence.strip() for sentence in sentences if len(_WORD.findall(sentence)) >= _MIN_WORDS]


def terms(text: str) -> frozenset[str]:
    """Content words of `text`, in lower case and without common endings."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(_stem(word) for word in words if word not in _STOPWORDS)


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    word = re.sub(r"['\u2019]s$", "", word)
    for ending in ("ing", "ied", "ies", "ed", "es", "ly", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def best_quotes(question: str, sources: Sequence[Source]) -> list[Quote]:
    """At most three sentences that cover the question best, each saying something the others do not.

    Coverage is the share of the question's terms found in the sentence, each term weighted by how rare
    it is among the sources' sentences; a sentence whose source's title matches, or whose source stands
    near the top of the list, gains a little.
    """
    ranked = _ranked(question, sources)
    return _distinct((each.quote, each.found) for each in ranked if each.coverage >= _MIN_COVERAGE)


def closest_quote(question: str, sources: Sequence[Source]) -> Quote | None:
    """The sentence that comes nearest to the question, though it may cover little of it."""
    ranked = _ranked(question, sources)
    return next((each.quote for each in ranked if each.coverage > 0), None)


@dataclass(frozen=True, slots=True)
class _Candidate:
    quote: Quote
    found: frozenset[str]
    coverage: float


def _ranked(question: str, sources: Sequence[Source]) -> list[_Candidate]:
    wanted = terms(question)
    sentences = [
        (rank, source, sentence, terms(sentence))
        for rank, source in enumerate(sources)
        for sentence in split_sentences(source.text)
    ]
    weights = _weights(wanted, (found for *_, found in sentences))
    total = sum(weights.values())
    if not total:
        return []
    candidates = []
    for rank, source, sentence, found in sentences:
        coverage = sum(weights[term] for term in wanted & found) / total
        title = sum(weights[term] for term in wanted & terms(source.title)) / total
        score = coverage + _TITLE_WEIGHT * title + _RANK_WEIGHT / (rank + 1)
        candidates.append(_Candidate(Quote(sentence, source.id, score), found, coverage))
    return sorted(candidates, key=lambda each: -each.quote.score)


def _weights(wanted: Iterable[str], sentences: Iterable[frozenset[str]]) -> dict[str, float]:
    count = 0
    containing: Counter[str] = Counter()
    for found in sentences:
        count += 1
        containing.update(found)
    return {term: math.log(1 + (count + 1) / (containing[term] + 0.5)) for term in wanted} if count else {}


def _distinct(quotes: Iterable[tuple[Quote, frozenset[str]]]) -> list[Quote]:
    chosen: list[tuple[Quote, frozenset[str]]] = []
    for quote, found in quotes:
        if all(len(found & other) < 0.7 * len(found | other) for _, other in chosen):
            chosen.append((quote, found))
        if len(chosen) == _MAX_SENTENCES:
            break
    return [quote for quote, _ in chosen]
