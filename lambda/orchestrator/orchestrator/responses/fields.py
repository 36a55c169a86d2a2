"""Which fields of the Responses API are refused, and why."""

from __future__ import annotations

from typing import Any

from prompting.errors import InvalidRequestError

_NOT_CHAINED = "responses are not chained; send the conversation's earlier messages in 'input'"
_PROMPT_IS_OURS = "the service builds the prompt"
_TEXT_ONLY = "the model reads and writes text only"
_NOT_HONOURED = "the model server does not honour it"
_NO_SERVER_TOOLS = "no tool runs on the server"

REFUSED: dict[str, str] = {
    "access_programs": _NOT_HONOURED,
    "background_options": "a background response has the environment's time limits",
    "context_management": _NOT_CHAINED,
    "conversation": _NOT_CHAINED,
    "image": _TEXT_ONLY,
    "include": "there is no additional output; sources are in 'search_results'",
    "max_tool_calls": _NO_SERVER_TOOLS,
    "messages": "use 'input'",
    "max_tokens": "use 'max_output_tokens'",
    "moderation": _NOT_HONOURED,
    "previous_response_id": _NOT_CHAINED,
    "prompt": _PROMPT_IS_OURS,
    "prompt_cache_key": _NOT_HONOURED,
    "prompt_cache_options": _NOT_HONOURED,
    "prompt_cache_retention": _NOT_HONOURED,
    "reasoning": _NOT_HONOURED,
    "response_format": "use 'text.format'",
    "safety_identifier": _NOT_HONOURED,
    "service_tier": _NOT_HONOURED,
    "top_logprobs": "use chat completions",
}


def refuse_values(data: dict[str, Any]) -> None:
    """Raise `InvalidRequestError` for values that OpenAI takes, and for fields that exclude each other."""
    background, stream, store = (data.get(name) is True for name in ("background", "stream", "store"))
    if data.get("truncation") == "auto":
        raise _refused("truncation", "what is too long is refused instead of shortened")
    if background and stream:
        raise _refused("stream", "a background response is fetched with GET /v1/responses/{id}", "background")
    if background and data.get("store") is False:
        raise _refused("store", "a background response is stored until it is deleted", "background")
    if store and not background:
        raise _refused("store", "only background responses are stored")
    text = data.get("text")
    if isinstance(text, dict) and text.get("verbosity") is not None:
        raise _refused("text.verbosity", _NOT_HONOURED)
    if data.get("stream_options") is not None and not stream:
        message = "'stream_options' is only allowed when 'stream' is true."
        raise InvalidRequestError(message, param="stream_options")


def _refused(name: str, reason: str, beside: str | None = None) -> InvalidRequestError:
    place = f" with '{beside}'" if beside else ""
    message = f"Unsupported value for '{name}'{place}; {reason}."
    return InvalidRequestError(message, param=name, code="unsupported_parameter")
