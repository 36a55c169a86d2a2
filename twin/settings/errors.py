"""One readable message for everything that is wrong with an environment file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from twin.settings.accepted import Location, SchemaReader
from twin.settings.base import CONFLICT
from twin.settings.nearest import nearest

_LONGEST_VALUE = 80


class SettingsError(ValueError):
    """An environment file that cannot be used; a line a problem: file, key, value, what is accepted."""


def settings_error(file: str, error: ValidationError, reader: SchemaReader) -> SettingsError:
    """Put the findings of pydantic into this project's words."""
    return SettingsError("\n".join(_lines(file, error.errors(include_url=False), reader)))


def _lines(file: str, problems: Sequence[ErrorDetails], reader: SchemaReader) -> Iterable[str]:
    for problem in problems:
        if _follows_from_another(problem, problems):
            continue
        yield f"{file}: {_line(problem, reader)}"


def _follows_from_another(problem: ErrorDetails, problems: Sequence[ErrorDetails]) -> bool:
    """Whether a list counts as too short because one of its values was refused."""
    length = len(problem["loc"])
    return problem["type"] == "too_short" and any(
        len(other["loc"]) > length and other["loc"][:length] == problem["loc"] for other in problems
    )


def _line(problem: ErrorDetails, reader: SchemaReader) -> str:
    location = tuple(step for step in problem["loc"] if step != "[key]")
    value = problem.get("input")
    match problem["type"]:
        case "missing":
            return f"{_dotted(location)} is missing; accepted: {reader.accepted(location)}"
        case "extra_forbidden":
            return _unknown(location, value, reader)
        case kind if kind == CONFLICT:
            return _conflict(location, problem["ctx"])
        case _ if "[key]" in problem["loc"]:
            accepted = f"a key matching {problem.get('ctx', {}).get('pattern', '')}"
            return f"{_dotted(location[:-1])} has the key {_shown(location[-1])}; accepted: {accepted}"
        case _:
            return f"{_dotted(location)} is {_shown(value)}; accepted: {reader.accepted(location)}"


def _unknown(location: Location, value: object, reader: SchemaReader) -> str:
    keys = reader.keys(location[:-1])
    suggestion = nearest(str(location[-1]), keys)
    return (
        f"{_dotted(location)} is no setting (value {_shown(value)}); "
        f"did you mean {suggestion!r}? accepted: {', '.join(keys)}"
    )


def _conflict(location: Location, context: Mapping[str, Any]) -> str:
    place = (*location, *(part for part in context["key"].split(".") if part))
    return f"{_dotted(place)} is {_shown(context['value'])}; accepted: {context['accepted']}"


def _dotted(location: Location) -> str:
    return ".".join(str(step) for step in location) or "the file"


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
