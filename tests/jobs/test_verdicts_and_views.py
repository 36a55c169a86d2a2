"""What a response's status says of its answer is what its client sees of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jobs.verdicts import of_output
from jobtable import ids
from orchestrator.responses.views import HAVE_ANSWER, view

RECORD = {
    "id": ids.new_id(ids.RESPONSE, 1),
    "created_at": 1,
    "ended_at": 2,
    "model": "m",
    "request": {},
    "metadata": {},
    "sources": [],
    "grounded": False,
}
TEXT = st.sampled_from(["", "a", "ü"])
ODD = st.none() | st.booleans() | st.integers(-1, 9) | TEXT


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of the fields, one of which may be odd; seldom none at all."""
    return st.fixed_dictionaries({}, optional={name: field | ODD for name, field in fields.items()}) | ODD


CALL = some(id=TEXT, function=some(name=TEXT, arguments=TEXT))
MESSAGE = some(content=TEXT, tool_calls=st.lists(CALL, max_size=2))
REASON = st.sampled_from(["stop", "length", "content_filter", "tool_calls"])
USAGE = some(
    prompt_tokens=st.integers(0, 9),
    completion_tokens=st.integers(0, 9),
    prompt_tokens_details=some(cached_tokens=st.integers(0, 9)),
)
COMPLETION = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"message": MESSAGE, "finish_reason": REASON | ODD}))},
    optional={"usage": USAGE},
)


@given(COMPLETION)
def test_an_answer_that_was_accepted_is_shown_with_the_same_status(completion: dict[str, Any]) -> None:
    output = json.dumps(completion).encode()
    status = of_output(output).status
    if status in HAVE_ANSWER:
        assert view({**RECORD, "status": status}, output)["status"] == status
