"""What has to change in the index for it to match an object of the corpus."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from retrieval import FILTERABLE_KEYS, MAX_FILTERABLE_BYTES, MAX_METADATA_BYTES, Key

from ingestion.chunk import Chunk, Tokenizer, split
from ingestion.documents import BadDocumentError, Document, Problem
from ingestion.state import DocumentState, IndexState

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PROBLEMS = 100
"""Problems of one object that are named; the others are counted. A dead letter is sent for each."""

MAX_CHARACTERS = 4_000_000
"""Longest text of a document. Chunking holds its tokens in memory, about 200 bytes for each character."""

VERSION = "1"
"""Version of parsing, chunking, encoder and metadata: with another one, documents are encoded again."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document that is new or changed, with its chunks; `sha256` identifies what was encoded."""

    document: Document
    chunks: tuple[Chunk, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Documents to encode, ids of documents to remove, and what cannot be indexed."""

    changes: tuple[Change, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def announced(self, state: IndexState) -> IndexState:
        """Return the state that names every vector which may exist until the plan is carried out."""
        documents = dict(state.documents)
        for identifier in self.removed:
            documents[identifier] = DocumentState(documents[identifier].chunks)
        for change in self.changes:
            known = documents.get(change.document.id, DocumentState(0))
            documents[change.document.id] = DocumentState(max(known.chunks, len(change.chunks)))
        return replace(state, documents=documents, version="")


def make_plan(key: str, state: IndexState, items: Iterable[Document | Problem], tokenizer: Tokenizer) -> Plan:
    """Compare the object's documents with the state; unchanged documents are not in the plan."""
    changes: list[Change] = []
    problems: list[Problem] = []
    good: set[str] = set()
    for item in items:
        if isinstance(item, Problem):
            problems.append(item)
            continue
        digest = fingerprint(item)
        known = state.documents.get(item.id)
        if known is None or known.sha256 != digest:
            try:
                changes.append(Change(item, _chunks(key, item, tokenizer), digest))
            except BadDocumentError as error:
                problems.append(Problem(str(error), item.id, item.line))
                continue
        good.add(item.id)
    removed = tuple(sorted(set(state.documents) - good))
    return Plan(tuple(changes), removed, _named(problems))


def _named(problems: list[Problem]) -> tuple[Problem, ...]:
    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return tuple(problems)
    counted = Problem(
        f"{more} more documents after this line cannot be indexed", line=problems[-more - 1].line
    )
    return (*problems[:MAX_PROBLEMS], counted)


def fingerprint(document: Document) -> str:
    """Return the SHA-256 of all that ends up in the document's vectors."""
    content = [VERSION, document.text, document.markup, asdict(document.attributes)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def metadata(source: str, document: Document, text: str) -> dict[str, str]:
    """Return the metadata of a document's vector; unknown values are left out."""
    values: dict[Key, str | None] = {
        Key.DOCUMENT_ID: document.id,
        Key.AUTHOR: document.attributes.author,
        Key.KIND: document.attributes.kind,
        Key.LANGUAGE: document.attributes.language,
        Key.SOURCE: source,
        Key.TEXT: text,
        Key.TITLE: document.attributes.title,
        Key.URL: document.attributes.url,
    }
    return {key.value: value for key, value in values.items() if value is not None}


def _chunks(source: str, document: Document, tokenizer: Tokenizer) -> tuple[Chunk, ...]:
    """Chunk the document. Raises `BadDocumentError` when S3 Vectors would refuse its metadata."""
    size = len(document.text)
    if size > MAX_CHARACTERS:
        raise BadDocumentError(f"the text has {size} characters, the limit is {MAX_CHARACTERS}: split it")
    chunks = tuple(split(document, tokenizer))
    if not chunks:
        raise BadDocumentError("the document has no text")
    largest = max((chunk.text for chunk in chunks), key=_json_bytes)
    values = metadata(source, document, largest)
    filterable = {key: value for key, value in values.items() if key in FILTERABLE_KEYS}
    _check_size("id, author, kind, language and key", filterable, MAX_FILTERABLE_BYTES)
    _check_size("a passage of the text with title and url", values, MAX_METADATA_BYTES)
    return chunks


def _check_size(what: str, values: dict[str, str], limit: int) -> None:
    size = _json_bytes(values)
    if size > limit:
        raise BadDocumentError(f"{what} take {size} bytes of JSON, the limit is {limit}")


def _json_bytes(value: object) -> int:
    return len(json.dumps(value))
