"""What a transform job does to a record before and after the model: filters and the join."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twin.local.services.transform.jsonpath import JsonPath, NoMatchError

OUTPUT_KEY = "SageMakerOutput"
INPUT_KEY = "SageMakerInput"


class RecordError(Exception):
    """A record whose data can't be processed: the client's error."""


@dataclass(frozen=True, slots=True)
class Processing:
    """`DataProcessing` of a job."""

    input_filter: JsonPath
    output_filter: JsonPath
    joins: bool

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Processing:
        """Raises JsonPathError for a filter that is not supported."""
        return cls(
            JsonPath.parse(given.get("InputFilter") or "$"),
            JsonPath.parse(given.get("OutputFilter") or "$"),
            given.get("JoinSource") == "Input",
        )

    @property
    def is_plain(self) -> bool:
        """Whether records and answers pass as they are."""
        return self.input_filter.is_root and self.keeps_answers

    @property
    def keeps_answers(self) -> bool:
        """Whether answers are written as they come."""
        return self.output_filter.is_root and not self.joins

    def request(self, record: bytes) -> bytes:
        """What the model gets of a record; raises RecordError."""
        if self.input_filter.is_root:
            return record
        return _encode(_select(self.input_filter, _decode(record, "input")))

    def result(self, record: bytes, answer: bytes) -> bytes:
        """What is written for a record; raises RecordError."""
        if self.keeps_answers:
            return answer
        value = _decode(answer, "output")
        if self.joins:
            source = _decode(record, "input")
            kept = source if isinstance(source, dict) else {INPUT_KEY: source}
            value = {**kept, OUTPUT_KEY: value}
        return _encode(_select(self.output_filter, value))


def _select(path: JsonPath, value: Any) -> Any:
    try:
        return path.select(value)
    except NoMatchError as error:
        raise RecordError(f"Unable to apply the filter {path.text}: {error}") from None


def _decode(text: bytes, side: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RecordError(f"Unable to parse the {side} as JSON: {error}") from None


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
