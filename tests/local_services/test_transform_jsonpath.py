"""The JSONPath of DataProcessing."""

from __future__ import annotations

from typing import Any

import pytest

from twin.local.services.transform.jsonpath import JsonPath, JsonPathError, NoMatchError

VALUE = {"a": {"b": [1, {"c": 2}]}, "line": 3, "with space": 4, "SageMakerOutput": {"id": 5}}


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$", VALUE),
        ("$.a.b[0]", 1),
        ("$.a.b[1].c", 2),
        ("$['with space']", 4),
        ('$["line"]', 3),
        ("$['line','SageMakerOutput']", {"line": 3, "SageMakerOutput": {"id": 5}}),
        ("$['line', \"with space\"]", {"line": 3, "with space": 4}),
        ("$.a['b'][1]['c']", 2),
        ("$.a['b','b']", {"b": [1, {"c": 2}]}),
    ],
)
def test_what_a_path_selects(path: str, selected: Any) -> None:
    assert JsonPath.parse(path).select(VALUE) == selected


@pytest.mark.parametrize("path", ["$.x", "$.line.x", "$.a.b[2]", "$.a[0]", "$['line','x']", "$.a.b.c"])
def test_what_matches_nothing(path: str) -> None:
    with pytest.raises(NoMatchError):
        JsonPath.parse(path).select(VALUE)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "$a",
        "$..a",
        "$.*",
        "$[*]",
        "$[0:1]",
        "$[-1]",
        "$[0,1]",
        "$[?(@.a)]",
        "$.a.",
        "$['a'",
        "$['a',]",
    ],
)
def test_what_is_not_understood(path: str) -> None:
    with pytest.raises(JsonPathError, match=r"\$"):
        JsonPath.parse(path)


def test_several_members_come_last() -> None:
    with pytest.raises(JsonPathError, match="several members only at the end"):
        JsonPath.parse("$['a','b'].c")
