"""The lines of the output file and of the error file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batch.lines import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ANSWER = "The model failed on this line, or its answer is no chat completion."


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a line: a chat completion with its sources, or an error of `code` and `message`."""

    line: int
    custom_id: str | None
    completion: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None

    def encoded(self, batch_id: str) -> bytes:
        """The line as the client reads it."""
        return encode(
            {
                "id": _request_id(batch_id, self.line),
                "custom_id": self.custom_id,
                "response": self._response(),
                "error": self._error(),
            }
        )

    def _response(self) -> dict[str, Any] | None:
        if self.completion is None:
            return None
        request_id = str(self.completion.get("id", ""))
        return {"status_code": 200, "request_id": request_id, "body": self.completion}

    def _error(self) -> dict[str, str] | None:
        if self.error is None:
            return None
        return {"code": self.error["code"], "message": f"Line {self.line}: {self.error['message']}"}


def from_model(known: Mapping[str, Any], output: object) -> Answer:
    """The answer of a line whose request the model was given."""
    line, custom_id = known["line"], known["custom_id"]
    if isinstance(output, dict) and output.get("object") == "chat.completion" and output.get("choices"):
        return Answer(line, custom_id, completion={**output, **known["about"]})
    return Answer(line, custom_id, error={"code": "model_error", "message": NO_ANSWER})


def _request_id(batch_id: str, line: int) -> str:
    return f"batch_req_{hashlib.sha256(f'{batch_id}/{line}'.encode()).hexdigest()[:24]}"
