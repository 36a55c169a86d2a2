"""Lines that only the model would refuse: they are kept from it, since they would cost their shard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.batch.world import World, file, question

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
NAMED = {"type": "function", "function": {"name": "look"}}
SCHEMA = {"name": "x", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"top_logprobs": 3}, "'top_logprobs' is only allowed when 'logprobs' is true."),
        ({"n": 2, "temperature": 0}, "'n' must be 1 when 'temperature' is 0."),
        ({"stop": ""}, "'stop' must not contain an empty string."),
        ({"stop": ["END", ""]}, "'stop' must not contain an empty string."),
        ({"min_tokens": 9, "max_tokens": 8}, "'min_tokens' must not be more than 'max_tokens'."),
        (
            {"tool_choice": "maybe", "tools": [TOOL]},
            "'tool_choice' must be a function or one of none, auto, required.",
        ),
        ({"tool_choice": "auto"}, "'tool_choice' is only allowed when 'tools' are given."),
        ({"tool_choice": NAMED, "tools": []}, "'tool_choice' is only allowed when 'tools' are given."),
        (
            {"response_format": {"type": "prose"}},
            "'response_format.type' must be one of text, json_object, json_schema, structural_tag.",
        ),
        (
            {"response_format": {"type": []}},
            "'response_format.type' must be one of text, json_object, json_schema, structural_tag.",
        ),
        (
            {"response_format": {"type": "json_schema"}},
            "'response_format.json_schema' must be an object when the type is 'json_schema'.",
        ),
    ],
)
def test_the_line_is_reported_and_the_others_go_on(
    world: World, fields: dict[str, Any], message: str
) -> None:
    world.create(file(question("a"), question("b", **fields), question("c")))
    world.run()
    assert [line["custom_id"] for line in world.file("output")] == ["a", "c"]
    (line,) = world.file("error")
    assert line["error"] == {"code": "invalid_value", "message": f"Line 2: {message}"}
    assert world.batch["status"] == "completed"


@pytest.mark.parametrize(
    "fields",
    [
        {"top_logprobs": 3, "logprobs": True},
        {"top_logprobs": 0},
        {"n": 2},
        {"n": 1, "temperature": 0},
        {"stop": ["END"]},
        {"min_tokens": 8, "max_tokens": 8},
        {"min_tokens": 8},
        {"tool_choice": "none"},
        {"tool_choice": "required", "tools": [TOOL]},
        {"tool_choice": NAMED, "tools": [TOOL]},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
    ],
)
def test_what_the_model_takes_is_passed_on(world: World, fields: dict[str, Any]) -> None:
    world.create(file(question("a", **fields)))
    world.run()
    assert [line["custom_id"] for line in world.file("output")] == ["a"]
