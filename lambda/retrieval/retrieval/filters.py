"""The metadata filter of a search, in the grammar of S3 Vectors.

    filter    = {field: value} | {field: {operator: operand, …}} | {"$and" | "$or": [filter, …]}
    operators = $eq, $ne (a string, number or boolean), $gt, $gte, $lt, $lte (a number),
                $in, $nin (a list of strings, numbers or booleans, not empty), $exists (a boolean)

S3 Vectors refuses an object of several fields; `normalize_filter` turns it into `$and`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from retrieval.metadata import FILTERABLE_KEYS

COMBINING = ("$and", "$or")
EQUALITY = ("$eq", "$ne")
ORDER = ("$gt", "$gte", "$lt", "$lte")
MEMBERSHIP = ("$in", "$nin")
OPERATORS = (*EQUALITY, *ORDER, *MEMBERSHIP, "$exists")

MAX_DEPTH = 8
"""Deepest nesting of `$and` and `$or`."""

MAX_CONDITIONS = 64
"""Most conditions on fields in one filter."""

SHOWN_CHARACTERS = 40
"""How much of a wrong value an error shows."""

Filter = dict[str, object]


class FilterError(ValueError):
    """A filter that S3 Vectors would refuse, or that can match nothing; the message names the place."""


def normalize_filter(value: object, name: str = "filter") -> Filter | None:
    """Return the filter as S3 Vectors takes it, None for one without conditions.

    Raises `FilterError`, whose message starts with the path of the culprit, `name` being the root.
    """
    if value is None or value == {}:
        return None
    normalized = _filter(value, name, depth=0)
    conditions = _count(normalized)
    if conditions > MAX_CONDITIONS:
        raise FilterError(f"{name}: {conditions} conditions, the limit is {MAX_CONDITIONS}")
    return normalized


def _filter(value: object, path: str, depth: int) -> Filter:
    if not isinstance(value, Mapping) or not value:
        raise FilterError(f"{path}: expected an object with a field, $and or $or, got {_shown(value)}")
    if depth > MAX_DEPTH:
        raise FilterError(f"{path}: $and and $or are nested deeper than {MAX_DEPTH}")
    parts = [_part(key, operand, path, depth) for key, operand in value.items()]
    return parts[0] if len(parts) == 1 else {"$and": parts}


def _part(key: object, operand: object, path: str, depth: int) -> Filter:
    place = f"{path}.{key}"
    if key in COMBINING:
        if not _is_list(operand) or not operand:
            raise FilterError(f"{place}: expected a list of filters, not empty, got {_shown(operand)}")
        return {
            str(key): [_filter(each, f"{place}[{index}]", depth + 1) for index, each in enumerate(operand)]
        }
    if key not in FILTERABLE_KEYS:
        known = ", ".join(sorted(FILTERABLE_KEYS))
        raise FilterError(f"{place}: not a field that can be filtered; the fields are {known}")
    return {str(key): _condition(operand, place)}


def _condition(operand: object, path: str) -> Filter:
    if not isinstance(operand, Mapping):
        _require(_is_scalar(operand), path, "a string, number, boolean or an object of operators", operand)
        return {"$eq": operand}
    _require(bool(operand), path, "an object of operators, not empty", operand)
    for operator, value in operand.items():
        _check_operand(operator, value, f"{path}.{operator}")
    return dict(operand)


def _check_operand(operator: object, value: object, path: str) -> None:
    if operator in EQUALITY:
        _require(_is_scalar(value), path, "a string, number or boolean", value)
    elif operator in ORDER:
        _require(_is_number(value), path, "a number", value)
    elif operator in MEMBERSHIP:
        fits = _is_list(value) and bool(value) and all(_is_scalar(each) for each in value)
        _require(fits, path, "a list of strings, numbers or booleans, not empty", value)
    elif operator == "$exists":
        _require(isinstance(value, bool), path, "true or false", value)
    else:
        raise FilterError(f"{path}: not an operator; the operators are {', '.join(OPERATORS)}")


def _require(fits: bool, path: str, expected: str, value: object) -> None:
    if not fits:
        raise FilterError(f"{path}: expected {expected}, got {_shown(value)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"


def _count(value: Filter) -> int:
    return sum(
        sum(map(_count, operand)) if key in COMBINING and isinstance(operand, list) else 1
        for key, operand in value.items()
    )
