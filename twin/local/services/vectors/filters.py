"""The metadata filter of `QueryVectors`: parsed once, then asked about each vector.

Semantics, after the S3 Vectors user guide: a bare value means `$eq`; against a list in the metadata a
condition holds when it holds for any element; `$ne` and `$nin` are the negations of `$eq` and `$in`, so
they also hold where the key is absent; several keys or several operators on one key are all required.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from twin.local.services.vectors.errors import invalid

Metadata = Mapping[str, Any]
Predicate = Callable[[Metadata], bool]
Test = Callable[[Any], bool]

MAX_DEPTH = 32
_ABSENT: list[Any] = []


def parse_filter(document: object, non_filterable: Set[str]) -> Predicate:
    """Compile a filter document; `ValidationException` names what is wrong with it."""
    return _group(document, non_filterable, 0)


def _group(document: object, non_filterable: Set[str], depth: int) -> Predicate:
    if depth > MAX_DEPTH:
        raise invalid("filter", f"Invalid query filter: nested more than {MAX_DEPTH} levels deep")
    if not isinstance(document, dict) or not document:
        raise invalid("filter", "Invalid query filter: expected an object with at least one condition")
    parts = [_entry(key, value, non_filterable, depth) for key, value in document.items()]
    return parts[0] if len(parts) == 1 else _every(parts)


def _entry(key: str, value: object, non_filterable: Set[str], depth: int) -> Predicate:
    if key in ("$and", "$or"):
        if not isinstance(value, list) or not value:
            raise invalid("filter", f"Invalid query filter: {key} takes a non-empty list of filters")
        parts = [_group(item, non_filterable, depth + 1) for item in value]
        return _every(parts) if key == "$and" else _some(parts)
    if key.startswith("$"):
        raise invalid("filter", f"Invalid query filter: unknown operator {key}")
    if key in non_filterable:
        raise invalid("filter", f"Invalid use of non-filterable metadata in filter: {key}")
    conditions = value if isinstance(value, dict) else {"$eq": value}
    if not conditions:
        raise invalid("filter", f"Invalid query filter: no operator for key {key}")
    parts = [_condition(key, operator, operand) for operator, operand in conditions.items()]
    return parts[0] if len(parts) == 1 else _every(parts)


def _condition(key: str, operator: str, operand: object) -> Predicate:
    if operator == "$exists":
        if not isinstance(operand, bool):
            raise invalid("filter", "Invalid query filter: $exists takes a boolean")
        return lambda metadata: (key in metadata) is operand
    negative = operator in ("$ne", "$nin")
    test = _test(operator, operand)
    if negative:
        return lambda metadata: not any(map(test, _elements(metadata, key)))
    return lambda metadata: any(map(test, _elements(metadata, key)))


def _test(operator: str, operand: object) -> Test:
    """The test of one metadata element; for `$ne` and `$nin` the one that is then negated."""
    if operator in ("$eq", "$ne"):
        wanted = typed(_primitive(operator, operand))
        return lambda element: typed(element) == wanted
    if operator in ("$in", "$nin"):
        if not isinstance(operand, list) or not operand:
            raise invalid("filter", f"Invalid query filter: {operator} takes a non-empty list of primitives")
        members = frozenset(typed(_primitive(operator, item)) for item in operand)
        return lambda element: typed(element) in members
    if operator in _ORDER:
        if isinstance(operand, bool) or not isinstance(operand, (int, float)):
            raise invalid("filter", f"Invalid query filter: {operator} takes a number")
        compare, bound = _ORDER[operator], float(operand)
        return lambda element: _is_number(element) and compare(element, bound)
    raise invalid("filter", f"Invalid query filter: unknown operator {operator}")


_ORDER: dict[str, Callable[[float, float], bool]] = {
    "$gt": lambda left, right: left > right,
    "$gte": lambda left, right: left >= right,
    "$lt": lambda left, right: left < right,
    "$lte": lambda left, right: left <= right,
}


def typed(value: Any) -> tuple[str, Any]:
    """`value` with its JSON type, so that `true` is not `1` while `1` is `1.0`."""
    if isinstance(value, bool):
        return ("boolean", value)
    return ("string" if isinstance(value, str) else "number", value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _primitive(operator: str, operand: object) -> object:
    if not isinstance(operand, (str, bool, int, float)):
        raise invalid("filter", f"Invalid query filter: {operator} takes a string, a number or a boolean")
    return operand


def _elements(metadata: Metadata, key: str) -> list[Any]:
    value = metadata.get(key, _ABSENT)
    return value if isinstance(value, list) else [value]


def _every(parts: list[Predicate]) -> Predicate:
    return lambda metadata: all(part(metadata) for part in parts)


def _some(parts: list[Predicate]) -> Predicate:
    return lambda metadata: any(part(metadata) for part in parts)
