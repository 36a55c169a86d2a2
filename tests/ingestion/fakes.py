"""Stores in memory, an encoder by hashing, and clocks and crashes that tests decide on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ingestion.index import Indexer
from ingestion.stores import ObjectHead, StateConflictError, StoredState, Stores, VectorRecord
from numpy.typing import NDArray

MAX_VECTORS_IN_REQUEST = 500


class FakeCorpus:
    def __init__(self) -> None:
        self.objects: dict[str, tuple[ObjectHead, bytes]] = {}

    def put(self, key: str, content: str | bytes, metadata: Mapping[str, str] | None = None) -> None:
        body = content.encode() if isinstance(content, str) else content
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        self.objects[key] = (ObjectHead(etag, len(body), dict(metadata or {})), body)

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def head(self, key: str) -> ObjectHead | None:
        found = self.objects.get(key)
        return found[0] if found else None

    def body(self, key: str, etag: str) -> bytes | None:
        found = self.objects.get(key)
        return found[1] if found and found[0].etag == etag else None


class FakeStates:
    def __init__(self) -> None:
        self.stored: dict[str, StoredState] = {}
        self._writes = 0

    def read(self, key: str) -> StoredState | None:
        return self.stored.get(key)

    def write(self, key: str, content: str, expected: str | None) -> str:
        found = self.stored.get(key)
        if (found.etag if found else None) != expected:
            raise StateConflictError(key)
        self._writes += 1
        self.stored[key] = StoredState(content, f'"{self._writes}"')
        return self.stored[key].etag


class FakeVectors:
    def __init__(self) -> None:
        self.records: dict[str, VectorRecord] = {}
        self.puts = 0

    def put(self, records: Sequence[VectorRecord]) -> None:
        assert 1 <= len(records) <= MAX_VECTORS_IN_REQUEST
        self.puts += len(records)
        self.records.update({record.key: record for record in records})

    def delete(self, keys: Sequence[str]) -> None:
        assert 1 <= len(keys) <= MAX_VECTORS_IN_REQUEST
        for key in keys:
            self.records.pop(key, None)

    def texts(self, document: str | None = None) -> list[str]:
        """Texts in the index, in order of keys."""
        return [
            record.metadata["text"]
            for _, record in sorted(self.records.items())
            if document in (None, record.metadata["document_id"])
        ]


class FakeDeadLetters:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def send(self, message: Mapping[str, Any]) -> None:
        self.messages.append(json.loads(json.dumps(message)))


class FakeEncoder:
    """A word or a punctuation mark is a token; a text's vector is drawn from its hash."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
        vectors = np.array([np.random.default_rng(seed).standard_normal(4) for seed in seeds])
        return vectors.astype(np.float32)

    def count_tokens(self, text: str) -> int:
        return len(self.token_spans(text)) + 2

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\w+|[^\w\s\x00-\x1f]", text)]


class CrashError(BaseException):
    """The invocation ends here, as at a time-out: nothing that it would still do happens."""


@dataclass
class Meddling:
    """Counts calls to the stores, and does something before the n-th."""

    at: int = -1
    action: Callable[[], None] = lambda: None
    calls: int = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            self.action()


class Meddled:
    """A store whose every method call is meddled with first."""

    def __init__(self, store: object, meddling: Meddling) -> None:
        self._store = store
        self._meddling = meddling

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any) -> Any:
            self._meddling()
            return method(*arguments)

        return call


@dataclass
class World:
    """A corpus, an index and what lies between, with a clock that only tests advance."""

    corpus: FakeCorpus = field(default_factory=FakeCorpus)
    states: FakeStates = field(default_factory=FakeStates)
    vectors: FakeVectors = field(default_factory=FakeVectors)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    encoder: FakeEncoder = field(default_factory=FakeEncoder)
    now: float = 1_000.0

    def stores(self, meddling: Meddling | None = None) -> Stores:
        if meddling is None:
            return Stores(self.corpus, self.states, self.vectors, self.dead_letters)
        parts: list[Any] = [
            Meddled(store, meddling) for store in (self.corpus, self.states, self.vectors, self.dead_letters)
        ]
        return Stores(*parts)

    def indexer(self, owner: str = "a", meddling: Meddling | None = None) -> Indexer:
        return Indexer(self.stores(meddling), self.encoder, lambda: self.now, owner)

    def state(self, key: str) -> dict[str, Any]:
        stored = self.states.stored[key]
        values: dict[str, Any] = json.loads(stored.content)
        return values
