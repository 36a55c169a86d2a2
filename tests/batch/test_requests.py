"""What a line may be, and what a client is told about one that is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from batch.lines import Line
from batch.requests import Accepted, Checker, Rejected

from tests.batch.world import question

EXAMPLE = (
    'Each line must be one JSON object, such as {"custom_id": "1", "method": "POST", '
    '"url": "/v1/chat/completions", "body": {"model": "twin", '
    '"messages": [{"role": "user", "content": "…"}]}}.'
)


def check(content: Any, checker: Checker | None = None) -> dict[str, Any]:
    """What is stored of the line, accepted or not."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    checked = (checker or Checker("twin")).check(Line(17, data))
    stored: dict[str, Any] = json.loads(checked.encoded)
    assert isinstance(checked, Rejected if "code" in stored else Accepted)
    return stored


def test_an_accepted_line_keeps_its_number_and_its_body() -> None:
    line = question("a", "Wie?", temperature=0.5, retrieval={"top_k": 3})
    assert check(line) == {"line": 17, "custom_id": "a", "body": line["body"]}


def test_fields_beside_the_four_are_let_pass() -> None:
    assert "code" not in check({**question("a"), "comment": "?"})


@pytest.mark.parametrize(
    ("line", "custom_id", "code", "message"),
    [
        (b"{", None, "invalid_json_line", f"not valid JSON. {EXAMPLE}"),
        (b'{"custom_id": NaN}', None, "invalid_json_line", f"not valid JSON. {EXAMPLE}"),
        (b"[" * 100_000, None, "invalid_json_line", f"not valid JSON. {EXAMPLE}"),
        (b'{"custom_id": "\\ud800"}', None, "invalid_json_line", f"not valid JSON. {EXAMPLE}"),
        ([1], None, "invalid_json_line", f"not a JSON object. {EXAMPLE}"),
        ({}, None, "invalid_custom_id", "custom_id must be a text of 1 to 512 characters."),
        (question(""), None, "invalid_custom_id", "custom_id must be a text of 1 to 512 characters."),
        (question("x" * 513), None, "invalid_custom_id", "custom_id must be a text of 1 to 512 characters."),
        (
            {**question("a"), "custom_id": 7},
            None,
            "invalid_custom_id",
            "custom_id must be a text of 1 to 512 characters.",
        ),
        (
            {**question("a"), "method": "GET"},
            "a",
            "invalid_method",
            "method must be 'POST', not \"GET\".",
        ),
        (
            {**question("a"), "url": "/v1/embeddings"},
            "a",
            "invalid_url",
            "url must be '/v1/chat/completions', not \"/v1/embeddings\".",
        ),
        (
            {**question("a"), "url": ["x" * 200]},
            "a",
            "invalid_url",
            f"url must be '/v1/chat/completions', not [\"{'x' * 78}….",
        ),
        (
            {**question("a"), "body": "?"},
            "a",
            "invalid_type",
            "body must be an object with 'model' and 'messages'.",
        ),
        (
            {**question("a"), "body": {"model": "twin"}},
            "a",
            "missing_required_parameter",
            "Missing required parameter: 'messages'.",
        ),
        (
            question("a", stream=True),
            "a",
            "unsupported_parameter",
            "a batch does not stream; leave 'stream' out, or give false.",
        ),
        (
            question("a", model="gpt"),
            "a",
            "model_not_found",
            "The model 'gpt' does not exist. Use 'twin'.",
        ),
        (
            question("a", retrieval={"filter": {"shoe": 1}}),
            "a",
            "invalid_value",
            (
                "Invalid filter at retrieval.filter.shoe: not a field that can be filtered; "
                "the fields are author, document_id, kind, language, source."
            ),
        ),
        (
            b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"temperature":1e999}}',
            "a",
            "invalid_json",
            "The request's body is not valid JSON.",
        ),
    ],
)
def test_a_refused_line_is_told_what_would_be_accepted(
    line: Any, custom_id: str | None, code: str, message: str
) -> None:
    assert check(line) == {"line": 17, "custom_id": custom_id, "code": code, "message": message}


def test_streaming_that_is_not_asked_for_is_no_problem() -> None:
    assert "code" not in check(question("a", stream=False))


def test_a_line_that_is_too_long_is_refused() -> None:
    checked = Checker("twin").check(Line(3, None))
    assert json.loads(checked.encoded) == {
        "line": 3,
        "custom_id": None,
        "code": "line_too_long",
        "message": "longer than 8388608 bytes; shorten its messages.",
    }


def test_of_equal_custom_ids_the_first_counts_even_if_it_is_refused_itself() -> None:
    checker = Checker("twin")
    assert check(question("a", model="gpt"), checker)["code"] == "model_not_found"
    assert check(question("a"), checker) == {
        "line": 17,
        "custom_id": "a",
        "code": "duplicate_custom_id",
        "message": "custom_id 'a' is taken by an earlier line; give each line its own.",
    }
    assert "code" not in check(question("A"), checker)


def test_the_longest_custom_id_is_accepted() -> None:
    assert check(question("ä" * 512))["custom_id"] == "ä" * 512
