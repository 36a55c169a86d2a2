"""`twin ask --mode batch`: a file of requests goes up, a transform job answers it, two files come back."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from twin.cli.ask import open_client
from twin.cli.output import bold, dim, say
from twin.cli.uploads import upload
from twin.cli.waiting import follow

if TYPE_CHECKING:
    from pathlib import Path

    from openai import OpenAI
    from openai.types import Batch

    from twin.deployment.connection import Connection

TIMEOUT_SECONDS = 86_400.0
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
RUNNING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_SHOWN_LINES = 6
_SHOWN_CHARACTERS = 200


def ask_in_batch(connection: Connection, file: Path) -> int:
    """Upload a file of requests, follow its batch to the end and show the first lines of what came back.

    Returns the exit status. Raises `openai.OpenAIError` when the API refuses.
    """
    client = open_client(connection)
    size = file.stat().st_size
    batch = client.batches.create(
        input_file_id=upload(client, file), endpoint="/v1/chat/completions", completion_window="24h"
    )
    say(bold("batch ") + batch.id + dim(f"  {file.name}, {size:,} bytes"))
    batch = follow(
        batch,
        lambda: client.batches.retrieve(batch.id),
        RUNNING,
        seconds=TIMEOUT_SECONDS,
        pause=PAUSE_SECONDS,
        longest_pause=LONGEST_PAUSE_SECONDS,
        describe=_counts,
    )
    for problem in (batch.errors.data or []) if batch.errors else []:
        say(f"{problem.code}: {problem.message}")
    _show(client, "answered", batch.output_file_id)
    _show(client, "not answered", batch.error_file_id)
    return 0 if batch.status == "completed" else 1


def question_file(folder: Path, model: str, question: str) -> Path:
    """A file with one request."""
    body = {"model": model, "messages": [{"role": "user", "content": question}]}
    line = {"custom_id": "question", "method": "POST", "url": "/v1/chat/completions", "body": body}
    path = folder / "question.jsonl"
    path.write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _counts(batch: Batch) -> str:
    counts = batch.request_counts
    if counts is None or not counts.total:
        return ""
    return f"  {counts.completed} answered, {counts.failed} not, of {counts.total}"


def _show(client: OpenAI, title: str, file_id: str | None) -> None:
    if file_id is None:
        return
    lines = [json.loads(line) for line in client.files.content(file_id).text.splitlines()]
    say()
    say(bold(f"{title}: {len(lines)}") + dim(f"  GET /v1/files/{file_id}/content"))
    for line in lines[:_SHOWN_LINES]:
        _show_line(line)
    if len(lines) > _SHOWN_LINES:
        say(dim(f"  and {len(lines) - _SHOWN_LINES} more"))


def _show_line(line: dict[str, Any]) -> None:
    if line["error"]:
        text = line["error"]["message"]
    else:
        body = line["response"]["body"]
        text = body["choices"][0]["message"]["content"]
        text += f" ({len(body['search_results'])} sources)"
    shown = f"{line['custom_id'] or 'no id'}: {' '.join(text.split())}"
    say("  " + textwrap.shorten(shown, _SHOWN_CHARACTERS, placeholder=" …"))
