"""What clients send to `POST /v1/batches`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prompting.errors import InvalidRequestError
from prompting.parsing import load_object

ENDPOINT = "/v1/chat/completions"
COMPLETION_WINDOW = "24h"

MAX_PAIRS = 16
MAX_KEY_LENGTH = 64
MAX_VALUE_LENGTH = 512

_REQUIRED = ("input_file_id", "endpoint", "completion_window")
_UNSUPPORTED = {"output_expires_after": "the output files of all batches are kept equally long"}


@dataclass(frozen=True, slots=True)
class BatchRequest:
    input_file_id: str
    metadata: dict[str, str] | None


def parse_batch_request(body: bytes) -> BatchRequest:
    """Raises `InvalidRequestError`."""
    fields = {name: value for name, value in load_object(body).items() if value is not None}
    for name in fields:
        if name in _UNSUPPORTED:
            message = f"Unsupported parameter: '{name}' is not supported here; {_UNSUPPORTED[name]}."
            raise InvalidRequestError(message, param=name, code="unsupported_parameter")
        if name not in {*_REQUIRED, "metadata"}:
            raise InvalidRequestError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    for name in _REQUIRED:
        _require_text(fields, name)
    for name, only in (("endpoint", ENDPOINT), ("completion_window", COMPLETION_WINDOW)):
        if fields[name] != only:
            message = f"Invalid value for '{name}': only '{only}' is supported here."
            raise InvalidRequestError(message, param=name)
    return BatchRequest(fields["input_file_id"], _metadata(fields.get("metadata")))


def _require_text(fields: dict[str, Any], name: str) -> None:
    if name not in fields:
        message = f"Missing required parameter: '{name}'."
        raise InvalidRequestError(message, param=name, code="missing_required_parameter")
    if not isinstance(fields[name], str):
        message = f"Invalid type for '{name}': expected a string."
        raise InvalidRequestError(message, param=name, code="invalid_type")


def _metadata(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        message = "Invalid type for 'metadata': expected an object whose values are strings."
        raise InvalidRequestError(message, param="metadata", code="invalid_type")
    if len(value) > MAX_PAIRS:
        message = f"Invalid value for 'metadata': at most {MAX_PAIRS} pairs are allowed."
        raise InvalidRequestError(message, param="metadata")
    for key, text in value.items():
        if len(key) > MAX_KEY_LENGTH or len(text) > MAX_VALUE_LENGTH:
            message = (
                f"Invalid value for 'metadata': a key may have {MAX_KEY_LENGTH} characters "
                f"and a value {MAX_VALUE_LENGTH}."
            )
            raise InvalidRequestError(message, param="metadata")
    return value
