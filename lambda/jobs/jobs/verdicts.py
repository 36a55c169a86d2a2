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
    """Judge an output object: incomplete where every choice ran into the limit of tokens."""
    if len(content) > MAX_OUTPUT_BYTES:
        return failed("invalid_output")
    try:
        completion = json.loads(content)
        reasons = [_finish_reason(choice) for choice in completion["choices"]]
        usage = _usage(completion.get("usage"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return failed("invalid_output")
    if not reasons:
        return failed("invalid_output")
    cut = all(reason == "length" for reason in reasons)
    return Verdict(INCOMPLETE if cut else COMPLETED, {"usage": usage})


def _finish_reason(choice: Any) -> str | None:
    """Why the choice ended. Raises TypeError or KeyError where it is none."""
    if not isinstance(choice["message"].get("content"), str | None):
        raise TypeError("content is no text")
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
