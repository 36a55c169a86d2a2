"""How a response ends, by its output."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs.verdicts import MAX_OUTPUT_BYTES, MESSAGES, failed, of_output

from tests.jobs.simulation import completion

INVALID = failed("invalid_output")


def choices(*reasons: Any) -> bytes:
    one = json.loads(completion())
    one["choices"] = [{**one["choices"][0], "finish_reason": reason} for reason in reasons]
    return json.dumps(one).encode()


@pytest.mark.parametrize(
    ("reasons", "status"),
    [
        (["stop"], "completed"),
        ([None], "completed"),
        (["length"], "incomplete"),
        (["content_filter"], "incomplete"),
        (["length", "stop"], "incomplete"),
        (["stop", "length"], "completed"),
    ],
)
def test_an_answer_whose_first_choice_was_cut_off_is_incomplete(
    reasons: list[str | None], status: str
) -> None:
    verdict = of_output(choices(*reasons))
    counts = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert (verdict.status, verdict.fields) == (status, {"usage": counts})


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "7"}])
def test_an_answer_without_counts_is_one(usage: Any) -> None:
    content = json.dumps({**json.loads(completion()), "usage": usage}).encode()
    assert of_output(content).fields == {"usage": None}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": "a"}, "finish_reason": {}}]}',
        b'{"choices": [{"message": {"tool_calls": [{"id": "c"}]}, "finish_reason": "tool_calls"}]}',
        b'{"choices": [{"message": {"tool_calls": 5}, "finish_reason": "tool_calls"}]}',
        b'{"error": {"message": "no"}}',
        b"[" * 100_000,
        choices("stop")[:-1],
        choices("stop").replace(b'"usage": {', b'"usage": [{').replace(b"9}", b"9}]"),
        b" " * MAX_OUTPUT_BYTES + choices("stop"),
    ],
)
def test_anything_else_is_invalid(content: bytes) -> None:
    assert of_output(content) == INVALID


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_document_is_too_strange_to_be_judged(document: Any) -> None:
    assert of_output(json.dumps({"choices": document}).encode()) == INVALID


@pytest.mark.parametrize("code", sorted(MESSAGES))
def test_a_failure_has_a_code_and_a_sentence(code: str) -> None:
    verdict = failed(code)
    assert verdict.status == "failed"
    assert verdict.fields["error"]["code"] == code
    assert verdict.fields["error"]["message"].endswith(".")
