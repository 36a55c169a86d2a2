"""Response objects, as OpenAI's clients read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobtable.ids import digits
from jobtable.states import COMPLETED, FAILED, INCOMPLETE

from orchestrator.responses.annotations import url_citations

if TYPE_CHECKING:
    from prompting.errors import ApiError

    from orchestrator.responses.request import ResponsesRequest

Document = dict[str, Any]

IN_PROGRESS = "in_progress"
ABOUT_SOURCES = ("citations", "search_results", "grounded")
"""The fields beside OpenAI's, as chat completions have them."""

_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ECHOED = ("instructions", "max_output_tokens", "temperature", "top_p", "user")


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a response before it is answered. `echo` is made by `echo_of`."""

    id: str
    created_at: int
    model: str
    echo: Document
    metadata: dict[str, str] = field(default_factory=dict)
    background: bool = False

    def document(self, status: str, **fields: Any) -> Document:
        """The response in that state; `fields` take precedence."""
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "background": self.background,
            "error": None,
            "incomplete_details": None,
            "metadata": self.metadata,
            "model": self.model,
            "output": [],
            "previous_response_id": None,
            "store": self.background,
            "truncation": "disabled",
            "usage": None,
            **self.echo,
            **fields,
        }


def echo_of(request: ResponsesRequest) -> Document:
    """The request's fields that the response repeats."""
    form = request.text.format if request.text else None
    choice = request.tool_choice
    return {
        **{name: getattr(request, name) for name in _ECHOED},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "text": {"format": form.model_dump(by_alias=True, exclude_none=True) if form else {"type": "text"}},
        "tool_choice": choice if isinstance(choice, str) else choice.model_dump() if choice else "auto",
        "tools": [tool.model_dump() for tool in request.tools or ()],
    }


def answered(head: Head, completion: Document, about_sources: Document, **fields: Any) -> Document:
    """The response that a chat completion answers. Raises KeyError, IndexError or TypeError for none."""
    choice = completion["choices"][0]
    finish_reason, sources = choice.get("finish_reason"), about_sources["search_results"]
    output = output_items(head.id, choice["message"], sources, whole=is_whole(finish_reason))
    return ended(head, finish_reason, output, completion.get("usage"), **about_sources, **fields)


def ended(
    head: Head, finish_reason: str | None, output: list[Document], usage: Document | None, **fields: Any
) -> Document:
    """The response whose chat completion ended for that reason."""
    whole = is_whole(finish_reason)
    return head.document(
        COMPLETED if whole else INCOMPLETE,
        incomplete_details=None if whole else {"reason": _INCOMPLETE_REASONS[str(finish_reason)]},
        output=output,
        usage=usage_of(usage),
        **fields,
    )


def is_whole(finish_reason: str | None) -> bool:
    """Whether the model had come to its end."""
    return finish_reason not in _INCOMPLETE_REASONS


def failed(head: Head, error: ApiError, **fields: Any) -> Document:
    """The response that ended with an error after it had begun."""
    return head.document(FAILED, error={"code": error.code, "message": error.message}, **fields)


def output_items(
    response_id: str, message: Document, sources: list[Document], *, whole: bool
) -> list[Document]:
    """The message's text as an item, which is there unless calls stand in its place, then its calls."""
    calls = message.get("tool_calls") or []
    text = message.get("content") or ""
    items = [message_item(response_id, text, sources, whole=whole)] if text or not calls else []
    for index, call in enumerate(calls):
        function = call["function"]
        items.append(
            call_item(response_id, index, call["id"], function["name"], function["arguments"], whole=whole)
        )
    return items


def message_item_id(response_id: str) -> str:
    return f"msg_{digits(response_id)}"


def call_item_id(response_id: str, index: int) -> str:
    return f"fc_{digits(response_id)}{index}"


def message_item(response_id: str, text: str, sources: list[Document], *, whole: bool) -> Document:
    return {
        "id": message_item_id(response_id),
        "type": "message",
        "role": "assistant",
        "status": COMPLETED if whole else INCOMPLETE,
        "content": [text_part(text, sources)],
    }


def text_part(text: str, sources: list[Document]) -> Document:
    annotations = url_citations(text, sources)
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def call_item(
    response_id: str, index: int, call_id: str, name: str, arguments: str, *, whole: bool
) -> Document:
    return {
        "id": call_item_id(response_id, index),
        "type": "function_call",
        "status": COMPLETED if whole else INCOMPLETE,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def usage_of(usage: Document | None) -> Document | None:
    """A chat completion's counts of tokens, by the names of this API."""
    if not usage:
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }


def _count(counts: Any, name: str) -> int:
    """A count that the model server may have left out."""
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) else 0
