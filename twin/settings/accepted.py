"""What a field accepts, in words, read from the JSON Schema of the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
Location = Sequence[int | str]

_NOUNS = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "text"}


class SchemaReader:
    """Answers what the schema of a whole document says about one place in it."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def at(self, location: Location) -> Schema:
        """Schema of the value at `location`; empty where the schema says nothing about it."""
        schema = self._resolve(self._document)
        for step in location:
            schema = self._resolve(self._child(schema, step))
        return schema

    def keys(self, location: Location) -> list[str]:
        """Keys of the mapping at `location`."""
        return list(self.at(location).get("properties", {}))

    def accepted(self, location: Location) -> str:
        """What the value at `location` may be, with its unit."""
        schema = self.at(location)
        text = self._describe(schema)
        unit = schema.get("unit", "section")
        return text if unit in {"section", "text", "switch"} else f"{text} ({unit})"

    def _child(self, schema: Schema, step: int | str) -> Schema:
        if isinstance(step, int):
            items: Schema = schema.get("items", {})
            return items
        child: Schema = schema.get("properties", {}).get(step) or schema.get("additionalProperties") or {}
        if not child and "patternProperties" in schema:
            child = next(iter(schema["patternProperties"].values()))
        return child

    def _resolve(self, schema: Schema) -> Schema:
        """Follow references, and take an optional value's non-null alternative."""
        if "anyOf" in schema:
            [alternative] = [option for option in schema["anyOf"] if option.get("type") != "null"]
            return {**schema, **self._resolve(alternative)}
        if "$ref" not in schema:
            return schema
        target: Schema = self._document["$defs"][schema["$ref"].rpartition("/")[2]]
        return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}

    def _describe(self, schema: Schema) -> str:
        if "enum" in schema:
            return "one of " + ", ".join(str(value) for value in schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            keys = ", ".join(schema.get("properties", {}))
            entries = " with at least one entry" if schema.get("minProperties") else ""
            return f"a mapping with the keys {keys}" if keys else f"a mapping of names to values{entries}"
        if kind == "array":
            return f"a list of {_count(schema)}"
        return _NOUNS.get(str(kind), "a value") + _bounds(schema) + _shape(schema)


def _count(schema: Schema) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    return f"{low} to {high} values" if high is not None else f"at least {low} values"


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    if above is not None:
        return f" above {above:g}" + (f" and at most {high:g}" if high is not None else "")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else ""


def _shape(schema: Schema) -> str:
    if schema.get("examples"):
        return " such as " + " or ".join(repr(example) for example in schema["examples"])
    if "pattern" in schema:
        return f" matching {schema['pattern']}"
    return " that is not empty" if schema.get("minLength") else ""
