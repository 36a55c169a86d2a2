"""One line of a client's file: what is asked of the model, or what is wrong with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompting.errors import ApiError
from prompting.parsing import parse_request

from batch.lines import MAX_LINE_BYTES, encode
from batch.refusals import refusal

if TYPE_CHECKING:
    from batch.lines import Line

METHOD = "POST"
URL = "/v1/chat/completions"
MAX_CUSTOM_ID = 512
"""Characters."""

_SHOWN = 80
_DIGEST_BYTES = 16


class LineError(Exception):
    """What is wrong with a line, told to the client in the error file."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def body(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


class NotAnObjectError(LineError):
    """The line is no JSON object at all."""

    def __init__(self, reason: str, model: str) -> None:
        super().__init__("invalid_json_line", f"{reason} {expected(model)}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A line that can be asked of the model; `encoded` is `{"line", "custom_id", "body"}`."""

    encoded: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that goes to the error file; `encoded` is `{"line", "custom_id", "code", "message"}`."""

    encoded: bytes
    error: LineError


def expected(model: str) -> str:
    """What a line has to be, by an example."""
    body = {"model": model, "messages": [{"role": "user", "content": "…"}]}
    example = {"custom_id": "1", "method": METHOD, "url": URL, "body": body}
    return f"Each line must be one JSON object, such as {json.dumps(example, ensure_ascii=False)}."


class Checker:
    """Checks the lines of one file, one after another. Of equal custom_ids the first counts."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._seen: set[bytes] = set()

    def check(self, line: Line) -> Accepted | Rejected:
        custom_id = None
        try:
            document = self._load(line)
            custom_id = _custom_id(document)
            self._remember(custom_id)
            body = self._body(document)
            return Accepted(encode({"line": line.number, "custom_id": custom_id, "body": body}))
        except LineError as error:
            rejected = {"line": line.number, "custom_id": custom_id, **error.body()}
            return Rejected(encode(rejected), error)

    def _load(self, line: Line) -> dict[str, Any]:
        """The line's object, which UTF-8 can represent."""
        if line.content is None:
            raise LineError("line_too_long", f"longer than {MAX_LINE_BYTES} bytes; shorten its messages.")
        try:
            document = json.loads(line.content, parse_constant=_refuse_constant)
            if b"\\u" in line.content:
                json.dumps(document, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise NotAnObjectError("not valid JSON.", self._model) from None
        if not isinstance(document, dict):
            raise NotAnObjectError("not a JSON object.", self._model)
        return document

    def _remember(self, custom_id: str) -> None:
        digest = hashlib.blake2b(custom_id.encode(), digest_size=_DIGEST_BYTES).digest()
        if digest in self._seen:
            message = f"custom_id '{_shown(custom_id)}' is taken by an earlier line; give each line its own."
            raise LineError("duplicate_custom_id", message)
        self._seen.add(digest)

    def _body(self, document: dict[str, Any]) -> dict[str, Any]:
        for name, value in (("method", METHOD), ("url", URL)):
            if document.get(name) != value:
                shown = _shown(json.dumps(document.get(name), ensure_ascii=False))
                raise LineError(f"invalid_{name}", f"{name} must be '{value}', not {shown}.")
        body = document.get("body")
        if not isinstance(body, dict):
            raise LineError("invalid_type", "body must be an object with 'model' and 'messages'.")
        self._check_request(body)
        return body

    def _check_request(self, body: dict[str, Any]) -> None:
        try:
            request = parse_request(json.dumps(body, ensure_ascii=False).encode())
        except ApiError as error:
            raise from_api_error(error) from None
        if request.stream:
            message = "a batch does not stream; leave 'stream' out, or give false."
            raise LineError("unsupported_parameter", message)
        if request.model != self._model:
            message = f"The model '{_shown(request.model)}' does not exist. Use '{self._model}'."
            raise LineError("model_not_found", message)
        if (refused := refusal(request)) is not None:
            raise LineError("invalid_value", refused)


def from_api_error(error: ApiError) -> LineError:
    return LineError(error.code or "invalid_value", error.message)


def _custom_id(document: dict[str, Any]) -> str:
    custom_id = document.get("custom_id")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= MAX_CUSTOM_ID:
        message = f"custom_id must be a text of 1 to {MAX_CUSTOM_ID} characters."
        raise LineError("invalid_custom_id", message)
    return custom_id


def _refuse_constant(name: str) -> None:
    """NaN and the infinities, which JSON does not have."""
    raise ValueError(name)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
