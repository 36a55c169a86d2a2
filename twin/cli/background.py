"""`twin ask --mode background`: the answer comes from the asynchronous endpoint; the command polls for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.cli.ask import open_client, print_sources
from twin.cli.output import bold, dim, say
from twin.cli.waiting import follow

if TYPE_CHECKING:
    from twin.deployment.connection import Connection

TIMEOUT_SECONDS = 1800.0
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
RUNNING = frozenset({"queued", "in_progress"})


def ask_in_background(connection: Connection, question: str) -> int:
    """Create a background response, follow it to its end and print the answer with its sources.

    Returns the exit status. Raises `openai.OpenAIError` when the API refuses.
    """
    client = open_client(connection)
    model = client.models.list().data[0].id
    response = client.responses.create(model=model, input=question, background=True)
    say(bold("job ") + response.id)
    response = follow(
        response,
        lambda: client.responses.retrieve(response.id),
        RUNNING,
        seconds=TIMEOUT_SECONDS,
        pause=PAUSE_SECONDS,
        longest_pause=LONGEST_PAUSE_SECONDS,
    )
    if response.error is not None:
        say(f"The job ended without an answer: {response.error.message}")
        return 1
    say()
    say(response.output_text)
    print_sources((response.model_extra or {}).get("search_results") or [])
    say()
    say(dim(f"It stays at GET /v1/responses/{response.id} until it is deleted or its retention ends."))
    return 0
