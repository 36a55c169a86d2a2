"""The metadata filter's grammar."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrieval import FILTERABLE_KEYS, FilterError, normalize_filter
from retrieval.filters import MAX_CONDITIONS, MAX_DEPTH


@pytest.mark.parametrize(
    ("given_filter", "expected"),
    [
        (None, None),
        ({}, None),
        ({"author": "Ada"}, {"author": {"$eq": "Ada"}}),
        ({"kind": {"$in": ["article", "post"]}}, {"kind": {"$in": ["article", "post"]}}),
        ({"language": {"$exists": False}}, {"language": {"$exists": False}}),
        ({"source": {"$gte": 1, "$lt": 2.5}}, {"source": {"$gte": 1, "$lt": 2.5}}),
        (
            {"author": "Ada", "kind": {"$ne": "post"}},
            {"$and": [{"author": {"$eq": "Ada"}}, {"kind": {"$ne": "post"}}]},
        ),
        (
            {"$or": [{"author": "Ada"}, {"author": "Grace", "kind": "post"}]},
            {
                "$or": [
                    {"author": {"$eq": "Ada"}},
                    {"$and": [{"author": {"$eq": "Grace"}}, {"kind": {"$eq": "post"}}]},
                ]
            },
        ),
    ],
)
def test_filters_are_brought_into_the_form_that_s3_vectors_takes(given_filter: Any, expected: Any) -> None:
    assert normalize_filter(given_filter) == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("author", "filter: expected an object with a field, $and or $or, got 'author'"),
        (
            {"writer": "Ada"},
            (
                "filter.writer: not a field that can be filtered; "
                "the fields are author, document_id, kind, language, source"
            ),
        ),
        (
            {"text": "Ada"},
            (
                "filter.text: not a field that can be filtered; "
                "the fields are author, document_id, kind, language, source"
            ),
        ),
        (
            {"author": None},
            "filter.author: expected a string, number, boolean or an object of operators, got None",
        ),
        ({"author": {}}, "filter.author: expected an object of operators, not empty, got {}"),
        (
            {"author": {"$like": "A%"}},
            (
                "filter.author.$like: not an operator; "
                "the operators are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists"
            ),
        ),
        (
            {"author": {"$eq": ["Ada"]}},
            "filter.author.$eq: expected a string, number or boolean, got ['Ada']",
        ),
        ({"author": {"$gt": "A"}}, "filter.author.$gt: expected a number, got 'A'"),
        ({"author": {"$gt": True}}, "filter.author.$gt: expected a number, got True"),
        ({"author": {"$lte": float("nan")}}, "filter.author.$lte: expected a number, got nan"),
        (
            {"author": {"$in": []}},
            "filter.author.$in: expected a list of strings, numbers or booleans, not empty, got []",
        ),
        (
            {"author": {"$nin": "Ada"}},
            "filter.author.$nin: expected a list of strings, numbers or booleans, not empty, got 'Ada'",
        ),
        ({"author": {"$exists": "yes"}}, "filter.author.$exists: expected true or false, got 'yes'"),
        ({"$and": []}, "filter.$and: expected a list of filters, not empty, got []"),
        (
            {"$and": {"author": "Ada"}},
            "filter.$and: expected a list of filters, not empty, got {'author': 'Ada'}",
        ),
        (
            {"$or": [{"author": "Ada"}, {}]},
            "filter.$or[1]: expected an object with a field, $and or $or, got {}",
        ),
        (
            {"author": {"$eq": ["a" * 100]}},
            f"filter.author.$eq: expected a string, number or boolean, got ['{'a' * 38}…",
        ),
    ],
)
def test_a_wrong_filter_is_refused_with_place_and_expectation(wrong: Any, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        normalize_filter(wrong)
    assert str(caught.value) == message


def test_the_root_of_the_path_can_be_named() -> None:
    with pytest.raises(FilterError, match=r"^retrieval\.filter\.writer: "):
        normalize_filter({"writer": "Ada"}, "retrieval.filter")


def test_nesting_is_limited() -> None:
    deep: dict[str, Any] = {"author": "Ada"}
    for _ in range(MAX_DEPTH):
        deep = {"$and": [deep]}
    assert normalize_filter(deep)
    with pytest.raises(FilterError, match=r"nested deeper than 8$"):
        normalize_filter({"$and": [deep]})


def test_the_number_of_conditions_is_limited() -> None:
    conditions = [{"author": str(number)} for number in range(MAX_CONDITIONS)]
    assert normalize_filter({"$or": conditions})
    with pytest.raises(FilterError) as caught:
        normalize_filter({"$or": [*conditions, {"kind": "post"}]})
    assert str(caught.value) == "filter: 65 conditions, the limit is 64"


scalars = st.one_of(
    st.text(max_size=5), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
conditions = st.one_of(
    scalars,
    st.fixed_dictionaries(
        {}, optional={"$eq": scalars, "$ne": scalars, "$gt": numbers, "$exists": st.booleans()}
    ).filter(bool),
    st.fixed_dictionaries({"$in": st.lists(scalars, min_size=1, max_size=3)}),
)
fields = st.sampled_from(sorted(FILTERABLE_KEYS))
leaves = st.dictionaries(fields, conditions, min_size=1, max_size=3)
filters = st.recursive(
    leaves,
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=2), min_size=1
    ),
    max_leaves=5,
)


@given(filters)
def test_normalizing_is_idempotent_and_leaves_one_key_an_object(value: dict[str, Any]) -> None:
    normalized = normalize_filter(value)
    assert normalized is not None
    assert normalize_filter(normalized) == normalized
    _assert_single_keys(normalized)


def _assert_single_keys(value: dict[str, Any]) -> None:
    assert len(value) == 1
    for key, operand in value.items():
        if key in ("$and", "$or"):
            for each in operand:
                _assert_single_keys(each)


@given(st.recursive(scalars | st.none(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)))
def test_any_json_is_normalized_or_refused(value: Any) -> None:
    message = "filter"
    try:
        normalize_filter(value)
    except FilterError as error:
        message = str(error)
    assert message.startswith("filter")
