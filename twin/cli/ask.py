"""`twin ask`: one question, the answer as it streams, then its sources."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from openai import OpenAI

from twin.cli.output import bold, dim, say

if TYPE_CHECKING:
    from twin.deployment.connection import Connection

TIMEOUT_SECONDS = 120.0


def ask(connection: Connection, question: str) -> None:
    """Print the streamed answer and the sources that it was given.

    Raises `openai.OpenAIError` when the API refuses or breaks off.
    """
    client = open_client(connection)
    model = client.models.list().data[0].id
    stream = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], stream=True
    )
    sources: list[dict[str, Any]] = []
    for chunk in stream:
        sources = (chunk.model_extra or {}).get("search_results") or sources
        for choice in chunk.choices:
            say(choice.delta.content or "", end="")
    say()
    print_sources(sources)


def open_client(connection: Connection) -> OpenAI:
    """The OpenAI package's client, as any client of the API would make it."""
    return OpenAI(
        base_url=connection.base_url, api_key=connection.api_key, timeout=TIMEOUT_SECONDS, max_retries=2
    )


def print_sources(sources: list[dict[str, Any]]) -> None:
    """Print the passages behind an answer, grouped by document."""
    if not sources:
        say(dim("No source was found for this question; the answer is not grounded in the corpus."))
        return
    say()
    say(bold("Sources"))
    for document in group_by_document(sources):
        best = max(source["score"] for source in document)
        numbers = ", ".join(str(source["index"]) for source in document)
        first = document[0]
        say(f"  [{numbers}] {first.get('title') or first['document_id']} " + dim(f"(similarity {best:.2f})"))
        if first.get("url"):
            say(textwrap.indent(dim(first["url"]), "      "))


def group_by_document(sources: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Group the passages of one document, in the order in which each document first appears."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for source in sources:
        groups.setdefault(source["document_id"], []).append(source)
    return list(groups.values())
