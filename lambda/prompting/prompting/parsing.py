"""From a request's bytes to a `ChatRequest`, or to the error that tells the client what to change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from retrieval import FilterError, normalize_filter

from prompting.errors import InvalidRequestError
from prompting.fields import REFUSED
from prompting.request import ChatRequest, Retrieval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "an integer",
    "list_type": "an array",
    "model_type": "an object",
    "string_type": "a string",
}


Model = TypeVar("Model", bound=BaseModel)


def parse_request(body: bytes) -> ChatRequest:
    """Raises `InvalidRequestError`."""
    data = load_object(body)
    refuse_fields(data, ChatRequest, REFUSED)
    request = validate(data, ChatRequest)
    _check_combinations(request)
    return request.model_copy(update={"retrieval": with_filter(request.retrieval)})


def validate(data: dict[str, Any], model: type[Model]) -> Model:
    """Raises `InvalidRequestError` for the innermost field that is wrong."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        raise _from_validation(max(errors, key=lambda one: len(one["loc"]))) from None


def load_object(body: bytes) -> dict[str, Any]:
    """Raises `InvalidRequestError`, also for what Python takes but JSON's grammar or UTF-8 does not."""
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
        if b"\\ud" in body.lower():
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        message = "The request's body is not valid JSON."
        raise InvalidRequestError(message, code="invalid_json") from None
    if not isinstance(data, dict):
        message = "The request's body must be a JSON object."
        raise InvalidRequestError(message, code="invalid_json")
    return data


def _refuse_constant(name: str) -> None:
    """NaN and the infinities."""
    raise ValueError(name)


def refuse_fields(data: dict[str, Any], model: type[BaseModel], refused: Mapping[str, str]) -> None:
    """Raise `InvalidRequestError` for a field that the model lacks, with the reason where `refused` has one.

    Null asks for nothing, so it is let pass; this drops it.
    """
    for name in [name for name in data if name not in model.model_fields]:
        if data[name] is None:
            del data[name]
        elif name in refused:
            message = f"Unsupported parameter: '{name}' is not supported here; {refused[name]}."
            raise InvalidRequestError(message, param=name, code="unsupported_parameter")
        else:
            raise _unknown(name)


def _check_combinations(request: ChatRequest) -> None:
    if request.stream_options is not None and not request.stream:
        message = "'stream_options' is only allowed when 'stream' is true."
        raise InvalidRequestError(message, param="stream_options")
    for index, message_ in enumerate(request.messages):
        path = f"messages[{index}]"
        if message_.content is None and not (message_.role == "assistant" and message_.tool_calls):
            raise _missing(f"{path}.content")
        if message_.role == "tool" and message_.tool_call_id is None:
            raise _missing(f"{path}.tool_call_id")


def with_filter(retrieval: Retrieval) -> Retrieval:
    """The filter in the form that S3 Vectors takes. Raises `InvalidRequestError`."""
    try:
        normalized = normalize_filter(retrieval.filter, "retrieval.filter")
    except FilterError as error:
        raise InvalidRequestError(f"Invalid filter at {error}.", param="retrieval.filter") from None
    return retrieval.model_copy(update={"filter": normalized})


def _from_validation(error: ErrorDetails) -> InvalidRequestError:
    """Only places and rules are told, never the input."""
    param = _path(error["loc"])
    kind = error["type"]
    if kind == "missing":
        return _missing(param)
    if kind == "extra_forbidden":
        return _unknown(param)
    if expected := _EXPECTED.get(kind):
        return InvalidRequestError(
            f"Invalid type for '{param}': expected {expected}.", param=param, code="invalid_type"
        )
    reason = error["msg"][0].lower() + error["msg"][1:]
    return InvalidRequestError(f"Invalid value for '{param}': {reason}.", param=param)


def _path(location: tuple[int | str, ...]) -> str:
    """`("messages", 0, "content", "str")` → `messages[0].content`; the union's members are left out."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "str" and "[" not in part:
            path += f".{part}" if path else part
    return path


def _missing(param: str) -> InvalidRequestError:
    message = f"Missing required parameter: '{param}'."
    return InvalidRequestError(message, param=param, code="missing_required_parameter")


def _unknown(param: str) -> InvalidRequestError:
    return InvalidRequestError(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")
