"""From the bytes of a Responses request to the chat request that answers it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prompting.errors import InvalidRequestError
from prompting.parsing import load_object, refuse_fields, validate, with_filter
from prompting.request import ChatRequest

from orchestrator.responses.fields import REFUSED, refuse_values
from orchestrator.responses.request import (
    FunctionCall,
    FunctionCallOutput,
    FunctionChoice,
    InputMessage,
    ResponsesRequest,
    SchemaFormat,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.responses.request import FunctionTool, InputItem, Text

_SAME = ("model", "retrieval", "stream", "temperature", "top_p", "parallel_tool_calls", "user")
_OUR_NAMES = {"messages": "input", "max_completion_tokens": "max_output_tokens"}


def parse_request(body: bytes) -> ResponsesRequest:
    """Raises `InvalidRequestError`."""
    data = load_object(body)
    if data.get("include") == []:
        del data["include"]
    refuse_fields(data, ResponsesRequest, REFUSED)
    refuse_values(data)
    request = validate(data, ResponsesRequest)
    return request.model_copy(update={"retrieval": with_filter(request.retrieval)})


def to_chat(request: ResponsesRequest) -> ChatRequest:
    """The chat request with the same answer."""
    messages: list[dict[str, Any]] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    if isinstance(request.input, str):
        messages.append({"role": "user", "content": request.input})
    else:
        for item in request.input:
            _append(messages, item)
    fields = {name: getattr(request, name) for name in _SAME if name in request.model_fields_set}
    return ChatRequest.model_validate(
        {
            **fields,
            "messages": messages,
            "max_completion_tokens": request.max_output_tokens,
            "response_format": _response_format(request),
            "tools": request.tools and [_tool(tool) for tool in request.tools],
            "tool_choice": _tool_choice(request.tool_choice),
            "stream_options": {"include_usage": True} if request.stream else None,
        }
    )


@contextmanager
def in_our_names() -> Iterator[None]:
    """Failures name the fields of this API where the chat request's have other names."""
    try:
        yield
    except InvalidRequestError as error:
        if name := _OUR_NAMES.get(error.param or ""):
            error.message = error.message.replace(str(error.param), name)
            error.param = name
        raise


def _append(messages: list[dict[str, Any]], item: InputItem) -> None:
    """Calls belong to the assistant's message before them, if there is one."""
    match item:
        case InputMessage():
            messages.append({"role": item.role, "content": _text(item.content)})
        case FunctionCall():
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant"})
            function = {"name": item.name, "arguments": item.arguments}
            call = {"id": item.call_id, "type": "function", "function": function}
            messages[-1].setdefault("tool_calls", []).append(call)
        case FunctionCallOutput():
            output = _text(item.output)
            messages.append({"role": "tool", "tool_call_id": item.call_id, "content": output})


def _text(content: Text) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _response_format(request: ResponsesRequest) -> dict[str, Any] | None:
    form = request.text.format if request.text else None
    if form is None or form.type == "text":
        return None
    if isinstance(form, SchemaFormat):
        schema = form.model_dump(by_alias=True, exclude_unset=True, exclude={"type"})
        return {"type": form.type, "json_schema": schema}
    return {"type": form.type}


def _tool(tool: FunctionTool) -> dict[str, Any]:
    return {"type": tool.type, "function": tool.model_dump(exclude_unset=True, exclude={"type"})}


def _tool_choice(choice: str | FunctionChoice | None) -> str | dict[str, Any] | None:
    if isinstance(choice, FunctionChoice):
        return {"type": choice.type, "function": {"name": choice.name}}
    return choice
