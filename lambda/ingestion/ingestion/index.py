"""Makes the index match the corpus, one object at a time.

Indexing is level-triggered: an event only says where to look. What counts is the object as it is now and
what its state says is in the index, so late, repeated, reordered and lost-and-repeated events all end alike.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar
from urllib.parse import unquote

from retrieval import vector_key

from ingestion.claim import Claim, LeaseLostError, note_event
from ingestion.documents import ATTRIBUTE_NAMES, Attributes, Document, Problem
from ingestion.parse import parse
from ingestion.plan import VERSION, Change, Plan, make_plan, metadata
from ingestion.state import DocumentState, IndexState, Lease
from ingestion.stores import VectorRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ingestion.stores import ObjectHead, Stores

Item = TypeVar("Item")

BATCH_VECTORS = 250
"""Vectors that are encoded and put together; S3 Vectors takes at most 500 in a request."""

MAX_OBJECT_BYTES = 64 * 1024 * 1024
"""Largest object that is read. Its documents are in memory together."""

RESERVE_SECONDS = 30.0
"""Time before the invocation's end at which work stops, to be continued by a retry."""


class Encoder(Protocol):
    """The part of the retrieval layer's encoder that is used here."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...

    def count_tokens(self, text: str) -> int: ...

    def token_spans(self, text: str) -> list[tuple[int, int]]: ...


class OutOfTimeError(Exception):
    """The invocation is about to end; what is done is recorded, and a retry goes on from there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of looking at an object.

    `deferred`: another invocation is at it, and was told to look again.
    """

    status: Literal["unchanged", "deferred", "indexed", "deleted"]
    documents: int = 0
    """Documents that were encoded."""
    vectors: int = 0
    """Vectors that were put."""
    removed: int = 0
    """Documents that were removed from the index."""
    problems: int = 0
    """Documents that cannot be indexed."""


class Indexer:
    """Indexes objects of one corpus bucket. `owner` identifies the invocation."""

    def __init__(self, stores: Stores, encoder: Encoder, clock: Callable[[], float], owner: str) -> None:
        self._stores = stores
        self._encoder = encoder
        self._clock = clock
        self._owner = owner

    def settle(self, key: str, deadline: float) -> Outcome:
        """Bring the index in step with the object `key`, which may be new, changed, unchanged or gone.

        `deadline` is when the invocation ends, in seconds since 1970. Raises `OutOfTimeError`,
        `LeaseLostError` and whatever the stores raise; after each of these a retry goes on.
        """
        lease = Lease(self._owner, deadline)
        while True:
            stored = self._stores.states.read(key)
            state = IndexState.from_json(stored.content) if stored else IndexState()
            expected = stored.etag if stored else None
            if stored and state.lease and state.lease != lease and state.lease.until > self._clock():
                if note_event(self._stores.states, key, state, stored.etag):
                    return Outcome("deferred")
                continue
            head = self._stores.corpus.head(key)
            if state.lease is None and _is_settled(state, head):
                return Outcome("unchanged")
            items = self._read(key, head)
            if items is None:
                continue
            plan = make_plan(key, state, items, self._encoder)
            claim = Claim.acquire(self._stores.states, key, plan.announced(state), expected, lease)
            if claim is not None and self._carry_out(key, head, plan, claim, deadline):
                return _outcome(head, plan)

    def _read(self, key: str, head: ObjectHead | None) -> Iterable[Document | Problem] | None:
        """Return what the object contains, None when it is not the one of `head` any more."""
        if head is None:
            return ()
        if head.size > MAX_OBJECT_BYTES:
            limit = f"{MAX_OBJECT_BYTES // 1024**2} MiB"
            return (Problem(f"the object has {head.size} bytes, the limit is {limit}: split it", key),)
        body = self._stores.corpus.body(key, head.etag)
        return None if body is None else parse(key, body, _attributes(head))

    def _carry_out(
        self, key: str, head: ObjectHead | None, plan: Plan, claim: Claim, deadline: float
    ) -> bool:
        """Change the index, record it and end the claim. Return False when there is more to do."""
        ended = False
        try:
            # An event that came between reading the object and claiming it found nothing to note itself in.
            finished = self._stores.corpus.head(key) == head
            if finished:
                self._remove(key, plan.removed, claim)
                self._put(key, plan.changes, claim, deadline)
                for problem in plan.problems:
                    self._stores.dead_letters.send(_dead_letter(key, head, problem))
                finished = claim.release(self._result(head, plan, claim.state))
            ended = True
        finally:
            if not ended:
                with suppress(LeaseLostError):
                    claim.abandon()
        return finished

    def _result(self, head: ObjectHead | None, plan: Plan, state: IndexState) -> IndexState:
        return replace(
            state,
            etag=head.etag if head else "",
            sha256=head.metadata.get("sha256", "") if head else "",
            attributes=_attributes(head) if head else Attributes(),
            version=VERSION,
            errors=plan.problems,
            indexed_at=self._clock(),
        )

    def _remove(self, key: str, removed: Sequence[str], claim: Claim) -> None:
        documents = dict(claim.state.documents)
        keys = [
            vector_key(key, identifier, number)
            for identifier in removed
            for number in range(documents.pop(identifier).chunks)
        ]
        for batch in _batches(keys):
            self._stores.vectors.delete(batch)
        if removed:
            claim.save(replace(claim.state, documents=documents))

    def _put(self, key: str, changes: Sequence[Change], claim: Claim, deadline: float) -> None:
        """Encode and put the chunks, in batches across documents, recording each finished document."""
        for batch in _batches(
            [(change, number) for change in changes for number in range(len(change.chunks))]
        ):
            if self._clock() > deadline - RESERVE_SECONDS:
                raise OutOfTimeError(f"{key} is too much for one invocation; a retry goes on with it")
            vectors = self._encoder.encode([change.chunks[number].encoded for change, number in batch])
            self._stores.vectors.put(
                [
                    _record(key, change, number, vector)
                    for (change, number), vector in zip(batch, vectors, strict=True)
                ]
            )
            finished = {}
            for change, number in batch:
                if number == len(change.chunks) - 1:
                    self._delete_beyond(key, change, claim.state)
                    finished[change.document.id] = DocumentState(len(change.chunks), change.sha256)
            claim.save(claim.state.with_documents(finished))

    def _delete_beyond(self, key: str, change: Change, state: IndexState) -> None:
        """Delete the chunks that the document had and has no more."""
        last = state.documents[change.document.id].chunks
        keys = [vector_key(key, change.document.id, number) for number in range(len(change.chunks), last)]
        for batch in _batches(keys):
            self._stores.vectors.delete(batch)


def _record(key: str, change: Change, number: int, vector: NDArray[np.float32]) -> VectorRecord:
    document = change.document
    values = metadata(key, document, change.chunks[number].text)
    return VectorRecord(vector_key(key, document.id, number), vector.tolist(), values)


def _is_settled(state: IndexState, head: ObjectHead | None) -> bool:
    if head is None:
        return not state.etag and not state.documents
    seen = (head.etag, head.metadata.get("sha256", ""), _attributes(head), VERSION)
    return seen == (state.etag, state.sha256, state.attributes, state.version)


def _attributes(head: ObjectHead) -> Attributes:
    """Return the attributes among the object's metadata, where values are percent-encoded."""
    known = {name: unquote(head.metadata[name]) for name in ATTRIBUTE_NAMES if head.metadata.get(name)}
    return Attributes(**known)


def _dead_letter(key: str, head: ObjectHead | None, problem: Problem) -> dict[str, Any]:
    return {"object": key, "etag": head.etag if head else "", **asdict(problem)}


def _outcome(head: ObjectHead | None, plan: Plan) -> Outcome:
    return Outcome(
        "indexed" if head else "deleted",
        documents=len(plan.changes),
        vectors=sum(len(change.chunks) for change in plan.changes),
        removed=len(plan.removed),
        problems=len(plan.problems),
    )


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH_VECTORS):
        yield items[start : start + BATCH_VECTORS]
