"""A resource's properties against its schema: what CloudFormation refuses is refused here too.

Understands the part of JSON Schema that the schemas of the types in use are made of. As in CloudFormation,
a number or a boolean may come as a string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twin.local.services.cloudformation.schemas import Schema, read_only_paths, resource_schema


class PropertyError(ValueError):
    """Properties that CloudFormation would refuse; the text names the path."""


def checked(resource_type: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with their proper types, or `PropertyError` naming everything that is wrong."""
    schema = resource_schema(resource_type)
    walk = _Walk(schema, read_only_paths(schema), [])
    result = walk.value(schema, dict(properties), "")
    if walk.problems:
        raise PropertyError(f"Properties validation failed for {resource_type}: {'; '.join(walk.problems)}")
    return dict(result)


@dataclass(frozen=True, slots=True)
class _Walk:
    root: Schema
    read_only: frozenset[str]
    problems: list[str]

    def value(self, schema: Schema, value: Any, path: str) -> Any:
        """`value` with its proper type; problems are collected."""
        while "$ref" in schema:
            schema = self.root["definitions"][schema["$ref"].rpartition("/")[2]]
        typed = _coerced(schema.get("type"), value)
        if typed is _WRONG:
            self._problem(path, f"expected {_type_names(schema['type'])}, found {json.dumps(value)}")
            return value
        if isinstance(typed, dict):
            self._check_required(schema, typed, path)
            return self._object(schema, typed, path)
        if isinstance(typed, list):
            self._check_size(schema, len(typed), path, "Items", "items")
            items = schema.get("items", {})
            return [self.value(items, item, f"{path}/{number}") for number, item in enumerate(typed)]
        self._scalar(schema, typed, path)
        return typed

    def _problem(self, path: str, text: str) -> None:
        self.problems.append(f"#{path or '/'}: {text}")

    def _object(self, schema: Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        result: dict[str, Any] = {}
        for name, item in value.items():
            below = f"{path}/{name}"
            if name in known:
                if re.sub(r"/\d+(?=/|$)", "/*", below).removeprefix("/") in self.read_only:
                    self._problem(below, "this property is read-only")
                result[name] = self.value(known[name], item, below)
                continue
            matching = next((rule for pattern, rule in patterns.items() if re.search(pattern, name)), None)
            if matching is not None:
                result[name] = self.value(matching, item, below)
            elif schema.get("additionalProperties") is False or known:
                accepted = ", ".join(sorted(known)) or " or ".join(patterns)
                self._problem(path, f"extraneous key [{name}] is not permitted; accepted: {accepted}")
            else:
                result[name] = item
        self._check_size(schema, len(value), path, "Properties", "entries")
        return result

    def _check_required(self, schema: Schema, value: dict[str, Any], path: str) -> None:
        for name in schema.get("required", ()):
            if name not in value:
                self._problem(path, f"required key [{name}] not found")
        for name, others in schema.get("dependentRequired", {}).items():
            for other in others if name in value else ():
                if other not in value:
                    self._problem(path, f"[{name}] needs [{other}]")
        exclusive = schema.get("requiredXor", ())
        if exclusive and sum(name in value for name in exclusive) != 1:
            self._problem(path, f"exactly one of [{', '.join(exclusive)}] is required")
        for combination in ("oneOf", "anyOf"):
            choices = [rule["required"] for rule in schema.get(combination, ()) if "required" in rule]
            met = sum(all(name in value for name in choice) for choice in choices)
            if choices and (met == 0 or (combination == "oneOf" and met > 1)):
                noun = "exactly one" if combination == "oneOf" else "at least one"
                listed = ", ".join("+".join(choice) for choice in choices)
                self._problem(path, f"{noun} of [{listed}] is required")

    def _check_size(self, schema: Schema, size: int, path: str, suffix: str, noun: str) -> None:
        least, most = schema.get(f"min{suffix}", 0), schema.get(f"max{suffix}", size)
        if not least <= size <= most:
            self._problem(path, f"expected {least} to {most} {noun}, found {size}")

    def _scalar(self, schema: Schema, value: Any, path: str) -> None:
        if "enum" in schema and value not in schema["enum"]:
            self._problem(
                path, f"{value!r} is not a valid value; accepted: {', '.join(map(str, schema['enum']))}"
            )
        if isinstance(value, str):
            self._check_size(schema, len(value), path, "Length", "characters")
            pattern = schema.get("pattern")
            if pattern and "\\p{" not in pattern and not re.search(pattern, value):
                self._problem(path, f"{value!r} does not match pattern {pattern}")
        elif not isinstance(value, bool):
            least, most = schema.get("minimum", value), schema.get("maximum", value)
            if not least <= value <= most:
                self._problem(path, f"expected a number from {least} to {most}, found {value}")


_WRONG = object()


def _type_names(kind: str | list[str]) -> str:
    return kind if isinstance(kind, str) else " or ".join(kind)


def _coerced(kind: str | list[str] | None, value: Any) -> Any:
    """`value` as the first fitting of the allowed types, or `_WRONG`."""
    if kind is None:
        return value
    for name in [kind] if isinstance(kind, str) else kind:
        result = _as_type(name, value)
        if result is not _WRONG:
            return result
    return _WRONG


def _as_type(kind: str, value: Any) -> Any:
    if kind == "object":
        return value if isinstance(value, dict) else _parsed_object(value)
    if kind == "array":
        return value if isinstance(value, list) else _WRONG
    if kind == "boolean":
        return {"true": True, "false": False}.get(str(value).lower(), _WRONG)
    if kind in ("integer", "number"):
        return _number(kind, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else _WRONG


def _parsed_object(value: Any) -> Any:
    """A JSON document given as text, which CloudFormation takes for properties of type Json."""
    if not isinstance(value, str):
        return _WRONG
    try:
        parsed = json.loads(value)
    except ValueError:
        return _WRONG
    return parsed if isinstance(parsed, dict) else _WRONG


def _number(kind: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return _WRONG
    try:
        number = float(value)
    except ValueError:
        return _WRONG
    if number.is_integer():
        return int(number)
    return number if kind == "number" else _WRONG
