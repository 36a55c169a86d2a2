"""Metadata filters against a second, naive reading of the user guide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.local.services.errors import ServiceError
from twin.local.services.vectors.filters import parse_filter

KEYS = st.sampled_from(["author", "year", "tags"])
PRIMITIVES = st.one_of(
    st.sampled_from(["ada", "bob", ""]), st.integers(-2, 2), st.sampled_from([0.0, 0.5, 1.0]), st.booleans()
)
METADATA = st.dictionaries(KEYS, st.one_of(PRIMITIVES, st.lists(PRIMITIVES, max_size=3)), max_size=3)


VALUES = st.lists(PRIMITIVES, min_size=1, max_size=3)
NUMBERS = st.one_of(st.integers(-2, 2), st.sampled_from([0.5, 1.0]))
OPERANDS = [
    (["$eq", "$ne"], PRIMITIVES),
    (["$in", "$nin"], VALUES),
    (["$gt", "$gte", "$lt", "$lte"], NUMBERS),
    (["$exists"], st.booleans()),
]
OPERATIONS = st.one_of(*(st.tuples(st.sampled_from(names), operands) for names, operands in OPERANDS))
CONDITIONS = st.one_of(PRIMITIVES, st.lists(OPERATIONS, min_size=1, max_size=2).map(dict))
ENTRIES = st.lists(st.tuples(KEYS, CONDITIONS), min_size=1, max_size=2).map(dict)
GROUPS = st.tuples(st.sampled_from(["$and", "$or"]), st.lists(ENTRIES, min_size=1, max_size=3)).map(
    lambda pair: {pair[0]: pair[1]}
)
NESTED = st.lists(st.one_of(ENTRIES, GROUPS), min_size=1, max_size=3).map(lambda parts: {"$or": parts})
FILTERS = st.one_of(ENTRIES, GROUPS, NESTED)

TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda element, operand: same(element, operand),
    "$in": lambda element, operand: any(same(element, wanted) for wanted in operand),
    "$gt": lambda element, operand: number(element) and element > operand,
    "$gte": lambda element, operand: number(element) and element >= operand,
    "$lt": lambda element, operand: number(element) and element < operand,
    "$lte": lambda element, operand: number(element) and element <= operand,
}


def number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(left: Any, right: Any) -> bool:
    """Equal as JSON values: `true` is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def holds(metadata: dict[str, Any], document: dict[str, Any]) -> bool:
    """The filter language, spelled out one case at a time."""
    for key, condition in document.items():
        if key == "$and":
            satisfied = all(holds(metadata, part) for part in condition)
        elif key == "$or":
            satisfied = any(holds(metadata, part) for part in condition)
        else:
            operators = condition if isinstance(condition, dict) else {"$eq": condition}
            satisfied = all(holds_one(metadata, key, name, operand) for name, operand in operators.items())
        if not satisfied:
            return False
    return True


def holds_one(metadata: dict[str, Any], key: str, operator: str, operand: Any) -> bool:
    if operator == "$exists":
        return bool(operand == (key in metadata))
    if operator in ("$ne", "$nin"):
        return not holds_one(metadata, key, {"$ne": "$eq", "$nin": "$in"}[operator], operand)
    stored = metadata.get(key, [])
    elements = stored if isinstance(stored, list) else [stored]
    return any(TESTS[operator](element, operand) for element in elements)


@settings(deadline=None)
@given(metadata=METADATA, document=FILTERS)
def test_filters_agree_with_the_naive_reading(metadata: dict[str, Any], document: dict[str, Any]) -> None:
    assert parse_filter(document, frozenset())(metadata) == holds(metadata, document)


@settings(deadline=None)
@given(metadata=METADATA, document=FILTERS)
def test_and_with_itself_changes_nothing(metadata: dict[str, Any], document: dict[str, Any]) -> None:
    once, twice = (
        parse_filter(document, frozenset()),
        parse_filter({"$and": [document, document]}, frozenset()),
    )
    assert once(metadata) == twice(metadata)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "Invalid query filter: expected an object with at least one condition"),
        ([], "Invalid query filter: expected an object with at least one condition"),
        ({"$not": {"a": 1}}, "Invalid query filter: unknown operator $not"),
        ({"a": {"$like": "x"}}, "Invalid query filter: unknown operator $like"),
        ({"a": {}}, "Invalid query filter: no operator for key a"),
        ({"a": None}, "Invalid query filter: $eq takes a string, a number or a boolean"),
        ({"a": {"$in": []}}, "Invalid query filter: $in takes a non-empty list of primitives"),
        ({"a": {"$in": "x"}}, "Invalid query filter: $in takes a non-empty list of primitives"),
        ({"a": {"$nin": [[1]]}}, "Invalid query filter: $nin takes a string, a number or a boolean"),
        ({"a": {"$gt": "x"}}, "Invalid query filter: $gt takes a number"),
        ({"a": {"$lte": True}}, "Invalid query filter: $lte takes a number"),
        ({"a": {"$exists": 1}}, "Invalid query filter: $exists takes a boolean"),
        ({"$or": []}, "Invalid query filter: $or takes a non-empty list of filters"),
        ({"$and": {"a": 1}}, "Invalid query filter: $and takes a non-empty list of filters"),
        ({"text": "x"}, "Invalid use of non-filterable metadata in filter: text"),
        (
            {"$or": [{"a": 1}, {"text": {"$exists": True}}]},
            "Invalid use of non-filterable metadata in filter: text",
        ),
    ],
)
def test_a_wrong_filter_is_refused(document: Any, message: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_filter(document, frozenset({"text"}))
    assert (caught.value.code, caught.value.message) == ("ValidationException", message)


def test_nesting_is_limited() -> None:
    document: dict[str, Any] = {"a": 1}
    for _ in range(33):
        document = {"$and": [document]}
    with pytest.raises(ServiceError, match="nested more than 32 levels deep"):
        parse_filter(document, frozenset())
