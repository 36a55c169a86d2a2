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
    client = OpenAI(
        base_url=connection.base_url, api_key=connection.api_key, timeout=TIMEOUT_SECONDS, max_retries=2
    )
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
    _print_sources(sources)


def _print_sources(sources: list[dict[str, Any]]) -> None:
    if not sources:
        say(dim("No source was found for this question; the answer is not grounded in the corpus."))
        return
    say()
    say(bold("Sources"))
    for source in sources:
        title = source.get("title") or source["document_id"]
        similarity = dim(f"(similarity {source['score']:.2f})")
        say(f"  [{source['index']}] {title} {similarity}")
        if source.get("url"):
            say(textwrap.indent(dim(source["url"]), "      "))
