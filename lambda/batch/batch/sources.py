"""Sources for the requests of a shard: encoded together, searched for side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from batch.requests import LineError
from batch.stores import FilterRefusedError, SearchUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompting.request import ChatRequest
    from retrieval import Passage

    from batch.embeddings import Embeddings
    from batch.stores import Sources

Found = list["Passage"] | LineError | None
"""Passages that are similar enough, why there are none to be had, or None where none were asked for."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How sources are searched for."""

    top_k: int
    min_score: float
    fallback: Literal["fail", "ungrounded"]


@dataclass(slots=True)
class _Search:
    """What is searched for a request, one text after another until something is found."""

    index: int
    request: ChatRequest
    texts: list[str]


class Finder:
    """Finds sources as the realtime service does, for many requests at once."""

    def __init__(self, embeddings: Embeddings, sources: Sources, rules: Rules, threads: int) -> None:
        self._embeddings = embeddings
        self._sources = sources
        self._rules = rules
        self._threads = threads

    def find(self, requests: Sequence[ChatRequest]) -> list[Found]:
        """Return what was found for each request."""
        results: list[Found] = [[] if request.retrieval.enabled else None for request in requests]
        searches = [
            _Search(index, request, texts)
            for index, request in enumerate(requests)
            if request.retrieval.enabled and (texts := request.searches)
        ]
        with ThreadPoolExecutor(self._threads, thread_name_prefix="search") as pool:
            while searches:
                vectors = self._embeddings.of([search.texts.pop(0) for search in searches])
                found = pool.map(self._search, [search.request for search in searches], vectors)
                unanswered = []
                for search, passages in zip(searches, found, strict=True):
                    results[search.index] = passages or []
                    if passages == [] and search.texts:
                        unanswered.append(search)
                searches = unanswered
        return results

    def _search(self, request: ChatRequest, vector: list[float]) -> Found:
        """The passages that are similar enough; None where the search failed and that is let pass."""
        options = request.retrieval
        try:
            found = self._sources.search(vector, options.top_k or self._rules.top_k, options.filter)
        except FilterRefusedError:
            return LineError("invalid_value", "The filter was not accepted by the index of sources.")
        except SearchUnavailableError:
            if self._rules.fallback == "fail":
                message = "The sources could not be searched. Send the line again in a new batch."
                return LineError("retrieval_unavailable", message)
            return None
        return [source for source in found if source.score >= self._rules.min_score]
