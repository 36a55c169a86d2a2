"""Input validation against botocore's own service models, in the words AWS uses."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from twin.local.services.errors import ServiceError

RawShape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """One failed constraint: where, and AWS's wording of it."""

    path: str
    value: object
    constraint: str

    def __str__(self) -> str:
        shown = "null" if self.value is None else str(self.value)
        return f"Value '{shown}' at '{self.path}' failed to satisfy constraint: {self.constraint}"


@dataclass(frozen=True, slots=True)
class Shapes:
    """The input shapes of chosen operations, without their documentation."""

    operations: Mapping[str, str]
    shapes: Mapping[str, RawShape]
    opaque: frozenset[str] = frozenset()

    def violations(self, operation: str, parameters: Mapping[str, Any]) -> list[Violation]:
        """Every constraint that `parameters` break; an empty list when they are valid."""
        shape = self.operations.get(operation)
        return [] if shape is None else list(self._check(shape, parameters, ""))

    def _check(self, name: str, value: Any, path: str) -> Iterable[Violation]:
        shape = self.shapes[name]
        if name in self.opaque or shape.get("document"):
            return
        kind = shape["type"]
        if not _has_type(kind, value):
            yield Violation(path, value, f"Member must be of type {kind}")
            return
        if kind == "structure":
            yield from self._check_structure(shape, value, path)
        elif kind == "list":
            yield from _check_range(shape, value, path)
            for number, item in enumerate(value, start=1):
                yield from self._check(shape["member"]["shape"], item, f"{path}.{number}.member")
        elif kind == "map":
            yield from _check_range(shape, value, path)
            for key, item in value.items():
                yield from self._check(shape["key"]["shape"], key, f"{path}.key")
                yield from self._check(shape["value"]["shape"], item, f"{path}.{key}.member")
        else:
            yield from _check_scalar(shape, value, path)

    def _check_structure(self, shape: RawShape, value: Mapping[str, Any], path: str) -> Iterable[Violation]:
        members = shape["members"]
        prefix = f"{path}." if path else ""
        for name in shape.get("required", ()):
            if value.get(name) is None:
                yield Violation(prefix + _lower(name), None, "Member must not be null")
        for name, item in value.items():
            if name not in members:
                known = ", ".join(sorted(members))
                yield Violation(prefix + _lower(name), item, f"Member must be one of [{known}]")
            elif item is not None:
                yield from self._check(members[name]["shape"], item, prefix + _lower(name))


def require_valid(shapes: Shapes, operation: str, parameters: Mapping[str, Any]) -> None:
    """Raise the `ValidationException` of the JSON 1.1 services when `parameters` break a constraint."""
    found = shapes.violations(operation, parameters)
    if found:
        noun = "error" if len(found) == 1 else "errors"
        listed = "; ".join(map(str, found))
        raise ServiceError("ValidationException", f"{len(found)} validation {noun} detected: {listed}")


@cache
def load_shapes(service: str, operations: frozenset[str], opaque: frozenset[str] = frozenset()) -> Shapes:
    """Shapes of `operations`; the rest of botocore's model (10 MB for SageMaker) is let go."""
    model = _service_model(service)
    inputs = {
        name: operation["input"]["shape"]
        for name, operation in model["operations"].items()
        if name in operations and "input" in operation
    }
    kept: dict[str, RawShape] = {}
    pending = list(inputs.values())
    while pending:
        name = pending.pop()
        if name not in kept:
            kept[name] = _bare(model["shapes"][name])
            pending.extend(_references(kept[name]))
    return Shapes(inputs, kept, opaque)


def _service_model(service: str) -> dict[str, Any]:
    """The newest model of `service` in botocore, read as data: importing botocore costs 25 MB."""
    versions = Path(str(files("botocore"))) / "data" / service
    newest = max(versions.iterdir(), key=lambda version: version.name)
    packed = newest / "service-2.json.gz"
    text = (
        gzip.decompress(packed.read_bytes()) if packed.exists() else (newest / "service-2.json").read_bytes()
    )
    model: dict[str, Any] = json.loads(text)
    return model


def _references(shape: RawShape) -> Iterable[str]:
    for member in shape.get("members", {}).values():
        yield member["shape"]
    for role in ("member", "key", "value"):
        if role in shape:
            yield shape[role]["shape"]


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key != "documentation"}
    return value


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _has_type(kind: str, value: Any) -> bool:
    if kind in ("integer", "long"):
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in ("float", "double"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("structure", "map"):
        return isinstance(value, dict)
    if kind == "list":
        return isinstance(value, list)
    if kind == "timestamp":
        return isinstance(value, (int, float, str))
    return isinstance(value, str)


def _check_range(shape: RawShape, value: Any, path: str) -> Iterable[Violation]:
    size = len(value)
    if size < shape.get("min", 0):
        yield Violation(path, value, f"Member must have length greater than or equal to {shape['min']}")
    if size > shape.get("max", size):
        shown = value if isinstance(value, str) else f"{size} items"
        yield Violation(path, shown, f"Member must have length less than or equal to {shape['max']}")


def _check_scalar(shape: RawShape, value: Any, path: str) -> Iterable[Violation]:
    if isinstance(value, str):
        yield from _check_range(shape, value, path)
        if "enum" in shape and value not in shape["enum"]:
            yield Violation(path, value, f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]")
        pattern = _compiled(shape["pattern"]) if "pattern" in shape else None
        if pattern is not None and not pattern.fullmatch(value):
            yield Violation(
                path, value, f"Member must satisfy regular expression pattern: {shape['pattern']}"
            )
        return
    if isinstance(value, bool):
        return
    if value < shape.get("min", value):
        yield Violation(path, value, f"Member must have value greater than or equal to {shape['min']}")
    if value > shape.get("max", value):
        yield Violation(path, value, f"Member must have value less than or equal to {shape['max']}")


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, or None where it uses syntax that Python lacks: Unicode properties, surrogate ranges."""
    if "\\p{" in pattern or "\\uD8" in pattern or "\\z" in pattern:
        return None
    return re.compile(pattern)
