"""What a background response's record and answer look like to its client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobtable.states import COMPLETED, FAILED, INCOMPLETE
from retrieval import Passage

from orchestrator.responses.document import Document, Head, answered

if TYPE_CHECKING:
    from jobtable.records import Record

HAVE_ANSWER = frozenset({COMPLETED, INCOMPLETE})

_LOST = {"code": "missing_output", "message": "The model's answer is no longer there."}


def head_of(record: Record) -> Head:
    return Head(
        id=record["id"],
        created_at=record["created_at"],
        model=record["model"],
        echo=record["request"],
        metadata=record["metadata"],
        background=True,
    )


def about_sources(record: Record) -> Document:
    """The fields beside OpenAI's, as a chat completion has them."""
    sources: list[Document] = record["sources"]
    return {
        "citations": [source.get("url") or source["document_id"] for source in sources],
        "search_results": sources,
        "grounded": record["grounded"],
    }


def passages(record: Record) -> list[Passage]:
    """The sources as they were found."""
    return [
        Passage(**{name: value for name, value in source.items() if name != "index"})
        for source in record["sources"]
    ]


def view(record: Record, output: bytes | None = None) -> Document:
    """The response as it is now; `output` is the model's answer where the record says that there is one."""
    head, about = head_of(record), about_sources(record)
    if record["status"] not in HAVE_ANSWER:
        return head.document(record["status"], error=record.get("error"), **about)
    try:
        completion: Any = json.loads(output or b"")
        return answered(head, completion, about, completed_at=record["ended_at"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return head.document(FAILED, error=_LOST, **about)
