"""What is recorded about each corpus object: which vectors of it are in the index."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ingestion.documents import Attributes, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_PREFIX = "index-state/"
"""Where in the exchange bucket the states are."""


def state_key(object_key: str) -> str:
    """Return the key, in the exchange bucket, of a corpus object's state."""
    return f"{STATE_PREFIX}{object_key}.json"


@dataclass(frozen=True, slots=True)
class DocumentState:
    """Vectors 0 to `chunks` - 1 of the document may exist. Without `sha256` they may be half written."""

    chunks: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Says that an invocation is changing the object's vectors, which others must not until it ends."""

    owner: str
    until: float
    """Seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """State of one corpus object. With an empty `etag` the object is deleted, or was never indexed.

    A state outlives its object: a late event for the deleted object then finds that all is done. `pending`
    says that an event came during the lease, so that its owner looks at the object again.
    """

    etag: str = ""
    sha256: str = ""
    """What the uploader said is the SHA-256 of the object's content and metadata."""
    attributes: Attributes = field(default_factory=Attributes)
    version: str = ""
    """Version of the rules by which the documents were chunked and encoded; empty until all of them are."""
    documents: Mapping[str, DocumentState] = field(default_factory=dict)
    errors: tuple[Problem, ...] = ()
    indexed_at: float = 0
    """Seconds since 1970, UTC; of the last change to the index."""
    lease: Lease | None = None
    pending: bool = False

    def with_documents(self, changed: Mapping[str, DocumentState]) -> IndexState:
        return replace(self, documents={**self.documents, **changed})

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, content: str) -> IndexState:
        """Read what `to_json` wrote. Raises `ValueError`, `TypeError` or `KeyError` for anything else."""
        values: dict[str, Any] = json.loads(content)
        documents = {name: DocumentState(**each) for name, each in values["documents"].items()}
        nested = {
            "attributes": Attributes(**values["attributes"]),
            "documents": documents,
            "errors": tuple(Problem(**each) for each in values["errors"]),
            "lease": Lease(**values["lease"]) if values["lease"] else None,
        }
        return cls(**{**values, **nested})
