"""The request of the Responses API: the fields that the chat model can honour, and `retrieval`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prompting.request import JsonObject, Positive, Retrieval, Strict
from pydantic import Discriminator, Field, Tag, model_validator

Status = Literal["in_progress", "completed", "incomplete"]


class TextPart(Strict):
    """A part of a message; what only tells of an earlier answer's text has no effect."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[JsonObject] | None = None
    logprobs: list[JsonObject] | None = None


Text = str | list[TextPart]


class _Item(Strict):
    id: str | None = None
    status: Status | None = None


class InputMessage(_Item):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Text
    phase: str | None = None


class FunctionCall(_Item):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(_Item):
    type: Literal["function_call_output"]
    call_id: str
    output: Text


def _kind(item: Any) -> str:
    """The tag of an item's model; in brackets, since paths of errors leave such names out."""
    kind = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", "")
    return f"[{kind}]"


InputItem = Annotated[
    Annotated[InputMessage, Tag("[message]")]
    | Annotated[FunctionCall, Tag("[function_call]")]
    | Annotated[FunctionCallOutput, Tag("[function_call_output]")],
    Discriminator(
        _kind,
        custom_error_type="unsupported_item",
        custom_error_message="Only items of type message, function_call and function_call_output are taken",
    ),
]


class FunctionTool(Strict):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class FunctionChoice(Strict):
    type: Literal["function"]
    name: str


class PlainFormat(Strict):
    type: Literal["text", "json_object"]


class SchemaFormat(Strict):
    type: Literal["json_schema"]
    name: str
    schema_: JsonObject = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


def _format_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "[schema]" if kind == "json_schema" else "[plain]"


class TextConfig(Strict):
    format: (
        Annotated[
            Annotated[PlainFormat, Tag("[plain]")] | Annotated[SchemaFormat, Tag("[schema]")],
            Discriminator(_format_kind),
        ]
        | None
    ) = None


class StreamOptions(Strict):
    include_obfuscation: Literal[False] = False


class ResponsesRequest(Strict):
    """Null means absent, as for OpenAI."""

    model: str
    input: str | Annotated[list[InputItem], Field(min_length=1)]
    instructions: str | None = None
    retrieval: Retrieval = Retrieval()

    background: bool = False
    store: bool | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_output_tokens: Positive | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    text: TextConfig | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["disabled"] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Drop null fields; free-form values (schemas, parameters, filters) stay as they are."""
        data = _given(data)
        if not isinstance(data, dict):
            return data
        for name in ("retrieval", "stream_options", "tool_choice", "text"):
            if name in data:
                data[name] = _given(data[name])
        if isinstance(text := data.get("text"), dict) and "format" in text:
            text["format"] = _given(text["format"])
        for name in ("input", "tools"):
            if isinstance(items := data.get(name), list):
                data[name] = [_item(item) for item in items]
        return data


def _given(value: Any) -> Any:
    """An object without its null fields; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return {name: field for name, field in value.items() if field is not None}


def _item(item: Any) -> Any:
    item = _given(item)
    for name in ("content", "output"):
        if isinstance(item, dict) and isinstance(parts := item.get(name), list):
            item[name] = [_given(part) for part in parts]
    return item
