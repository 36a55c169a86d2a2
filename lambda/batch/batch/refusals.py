"""What vLLM refuses although each field for itself is valid.

The realtime service leaves these to the model, which says what is wrong. In a batch a request that the model
refuses takes the answers of its whole shard with it, so such lines are kept from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompting.request import ChatRequest

_FORMATS = ("text", "json_object", "json_schema", "structural_tag")
_CHOICES = ("none", "auto", "required")


def refusal(request: ChatRequest) -> str | None:
    """Return what the model would not take, None where nothing is known."""
    return next(_refusals(request), None)


def _refusals(request: ChatRequest) -> Iterator[str]:
    if request.top_logprobs and not request.logprobs:
        yield "'top_logprobs' is only allowed when 'logprobs' is true."
    if request.n and request.n > 1 and request.temperature == 0:
        yield "'n' must be 1 when 'temperature' is 0."
    if request.stop is not None and "" in ([request.stop] if isinstance(request.stop, str) else request.stop):
        yield "'stop' must not contain an empty string."
    if request.output_limit and request.min_tokens and request.min_tokens > request.output_limit[1]:
        yield f"'min_tokens' must not be more than '{request.output_limit[0]}'."
    yield from _tools(request)
    yield from _response_format(request)


def _tools(request: ChatRequest) -> Iterator[str]:
    choice = request.tool_choice
    if isinstance(choice, str) and choice not in _CHOICES:
        yield f"'tool_choice' must be a function or one of {', '.join(_CHOICES)}."
    if choice not in (None, "none") and not request.tools:
        yield "'tool_choice' is only allowed when 'tools' are given."


def _response_format(request: ChatRequest) -> Iterator[str]:
    if (wanted := request.response_format) is None:
        return
    kind = wanted.get("type")
    if kind not in _FORMATS:
        yield f"'response_format.type' must be one of {', '.join(_FORMATS)}."
    if kind == "json_schema" and not isinstance(wanted.get("json_schema"), dict):
        yield "'response_format.json_schema' must be an object when the type is 'json_schema'."
