"""How a response ends, judged by what its invocation left behind."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobtable.states import COMPLETED, FAILED, INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OUTPUT_BYTES = 16 * 1024 * 1024
"""Longest output that is read; a model's longest answer takes far less."""

CUT_OFF = frozenset({"length", "content_filter"})
"""Reasons for which a choice ended before the model had come to its end."""

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")

MESSAGES = {
    "model_error": "The model failed to answer the request.",
    "missing_output": "The model's answer was not found.",
    "invalid_output": "The model's answer is not a chat completion.",
    "request_expired": "The request was not answered in time.",
}
"""What the client reads, by the error's code."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A final status, and the attributes of the record that go with it."""

    status: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def failed(code: str) -> Verdict:
    """The verdict for one of the codes in `MESSAGES`."""
    return Verdict(FAILED, {"error": {"code": code, "message": MESSAGES[code]}})


def of_output(content: bytes) -> Verdict:
    """Judge an output object by its first choice, which is the one that clients get."""
    if len(content) > MAX_OUTPUT_BYTES:
        return failed("invalid_output")
    try:
        completion = json.loads(content)
        reason = _finish_reason(completion["choices"][0])
        usage = _usage(completion.get("usage"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return failed("invalid_output")
    return Verdict(INCOMPLETE if reason in CUT_OFF else COMPLETED, {"usage": usage})


def _finish_reason(choice: Any) -> str | None:
    """Why the choice ended. Raises TypeError, KeyError or AttributeError where it is none."""
    message = choice["message"]
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls") or []]
    texts = [text for id_, function in calls for text in (id_, function["name"], function["arguments"])]
    if not all(isinstance(text, str) for text in texts) or not isinstance(message.get("content"), str | None):
        raise TypeError("the message holds something else than text")
    reason = choice["finish_reason"]
    if not isinstance(reason, str | None):
        raise TypeError("finish_reason is no text")
    return reason


def _usage(usage: Any) -> dict[str, int] | None:
    """The counts of tokens, None where the model gave none."""
    if usage is None:
        return None
    counts = {name: usage[name] for name in COUNTS if isinstance(usage.get(name), int)}
    return counts or None
