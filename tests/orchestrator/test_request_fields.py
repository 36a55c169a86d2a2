"""Which fields are taken, passed on unchanged, or refused with OpenAI's error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from orchestrator.bodies import MAX_BODY_BYTES, read_body
from orchestrator.errors import BodyTooLargeError
from prompting.errors import InvalidRequestError
from prompting.fields import REFUSED
from prompting.parsing import parse_request
from prompting.request import ChatRequest

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import MODEL

USER = {"role": "user", "content": "What are copies?"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "default": None}}}

PASSED_ON: dict[str, Any] = {
    "add_generation_prompt": False,
    "allowed_token_ids": [1, 2],
    "bad_words": ["moreover"],
    "cache_salt": "salt",
    "chat_template_kwargs": {"enable_thinking": False},
    "continue_final_message": True,
    "frequency_penalty": -0.5,
    "ignore_eos": True,
    "include_reasoning": False,
    "include_stop_str_in_output": True,
    "length_penalty": 0.9,
    "logit_bias": {"50256": -100},
    "logprob_token_ids": [3],
    "logprobs": True,
    "max_completion_tokens": 20,
    "max_tokens": 20,
    "min_p": 0.05,
    "min_tokens": 2,
    "n": 2,
    "parallel_tool_calls": False,
    "presence_penalty": 2,
    "reasoning_effort": "low",
    "repetition_detection": {"max_pattern_size": 8},
    "repetition_penalty": 1.1,
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"a": None}}},
    "return_tokens_as_token_ids": True,
    "seed": 7,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
    "stop": ["\n\n", "END"],
    "stop_token_ids": [128009],
    "stream_interval": 2,
    "structured_outputs": {"choice": ["yes", "no"]},
    "temperature": 0,
    "thinking_token_budget": 100,
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "tools": [TOOL],
    "top_k": -1,
    "top_logprobs": 5,
    "top_p": 0.9,
    "use_beam_search": False,
    "user": "u-1",
}
OWN = {"model", "messages", "retrieval", "stream", "stream_options"}


def parse(**fields: Any) -> ChatRequest:
    return parse_request(json.dumps({"model": MODEL, "messages": [USER], **fields}).encode())


def refuse(**fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**fields)
    assert caught.value.status == 400
    return caught.value


def test_the_table_names_every_field() -> None:
    assert set(PASSED_ON) | OWN == set(ChatRequest.model_fields)
    assert not set(REFUSED) & set(ChatRequest.model_fields)


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "value"), PASSED_ON.items())
async def test_a_field_that_the_model_honours_reaches_it_unchanged(
    harness: Harness, name: str, value: Any
) -> None:
    response = await harness.chat(**{name: value})
    assert response.status_code == 200, response.text
    [body] = harness.model.bodies
    assert body[name] == value
    assert set(body) <= {"messages", "max_tokens", name}


@pytest.mark.parametrize("name", PASSED_ON)
def test_null_is_as_good_as_absent(name: str) -> None:
    assert parse(**{name: None}).passed_on() == {}


@pytest.mark.parametrize("name", REFUSED)
def test_a_field_without_effect_is_refused(name: str) -> None:
    error = refuse(**{name: "x"})
    assert (error.param, error.code) == (name, "unsupported_parameter")
    assert error.message == f"Unsupported parameter: '{name}' is not supported here; {REFUSED[name]}."
    parse(**{name: None})


@pytest.mark.parametrize(
    ("fields", "param", "code", "message"),
    [
        ({"colour": 1}, "colour", "unknown_parameter", "Unknown parameter: 'colour'."),
        ({"model": None}, "model", "missing_required_parameter", "Missing required parameter: 'model'."),
        (
            {"messages": None},
            "messages",
            "missing_required_parameter",
            "Missing required parameter: 'messages'.",
        ),
        (
            {"messages": []},
            "messages",
            "invalid_value",
            "Invalid value for 'messages': list should have at least 1 item after validation, not 0.",
        ),
        ({"messages": "hi"}, "messages", "invalid_type", "Invalid type for 'messages': expected an array."),
        (
            {"messages": ["hi"]},
            "messages[0]",
            "invalid_type",
            "Invalid type for 'messages[0]': expected an object.",
        ),
        (
            {"messages": [USER, {"role": "wizard", "content": "x"}]},
            "messages[1].role",
            "invalid_value",
            (
                "Invalid value for 'messages[1].role': "
                "input should be 'system', 'developer', 'user', 'assistant' or 'tool'."
            ),
        ),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content",
            "invalid_type",
            "Invalid type for 'messages[0].content': expected a string.",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
            "invalid_value",
            "Invalid value for 'messages[0].content[0].type': input should be 'text'.",
        ),
        (
            {"messages": [{"role": "user"}]},
            "messages[0].content",
            "missing_required_parameter",
            "Missing required parameter: 'messages[0].content'.",
        ),
        (
            {"messages": [USER, {"role": "tool", "content": "42"}]},
            "messages[1].tool_call_id",
            "missing_required_parameter",
            "Missing required parameter: 'messages[1].tool_call_id'.",
        ),
        (
            {"messages": [{**USER, "mood": "sad"}]},
            "messages[0].mood",
            "unknown_parameter",
            "Unknown parameter: 'messages[0].mood'.",
        ),
        (
            {"temperature": 2.5},
            "temperature",
            "invalid_value",
            "Invalid value for 'temperature': input should be less than or equal to 2.",
        ),
        (
            {"temperature": "hot"},
            "temperature",
            "invalid_type",
            "Invalid type for 'temperature': expected a number.",
        ),
        (
            {"max_tokens": 1.5},
            "max_tokens",
            "invalid_type",
            "Invalid type for 'max_tokens': expected an integer.",
        ),
        ({"stream": "yes"}, "stream", "invalid_type", "Invalid type for 'stream': expected true or false."),
        ({"tools": {}}, "tools", "invalid_type", "Invalid type for 'tools': expected an array."),
        (
            {"tool_choice": 1},
            "tool_choice",
            "invalid_type",
            "Invalid type for 'tool_choice': expected a string.",
        ),
        (
            {"stream_options": {"include_usage": True}},
            "stream_options",
            "invalid_value",
            "'stream_options' is only allowed when 'stream' is true.",
        ),
        (
            {"stream": True, "stream_options": {"colour": 1}},
            "stream_options.colour",
            "unknown_parameter",
            "Unknown parameter: 'stream_options.colour'.",
        ),
        (
            {"retrieval": {"top_k": 0}},
            "retrieval.top_k",
            "invalid_value",
            "Invalid value for 'retrieval.top_k': input should be greater than or equal to 1.",
        ),
        ({"retrieval": {"k": 1}}, "retrieval.k", "unknown_parameter", "Unknown parameter: 'retrieval.k'."),
        (
            {"retrieval": True},
            "retrieval",
            "invalid_type",
            "Invalid type for 'retrieval': expected an object.",
        ),
        (
            {"retrieval": {"filter": {"colour": "red"}}},
            "retrieval.filter",
            "invalid_value",
            (
                "Invalid filter at retrieval.filter.colour: not a field that can be filtered; "
                "the fields are author, document_id, kind, language, source."
            ),
        ),
        (
            {"retrieval": {"filter": {"author": {"$like": "A"}}}},
            "retrieval.filter",
            "invalid_value",
            (
                "Invalid filter at retrieval.filter.author.$like: not an operator; "
                "the operators are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists."
            ),
        ),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], param: str, code: str, message: str) -> None:
    error = refuse(**fields)
    assert (error.param, error.code, error.message) == (param, code, message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff{}",
        b'{"temperature": NaN}',
        b'{"user": "\\ud800"}',
        b'{"user": "\\uD800"}',
        b"[" * 100_000,
        b"nothing",
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(body)
    assert (caught.value.code, caught.value.message) == (
        "invalid_json",
        "The request's body is not valid JSON.",
    )


@pytest.mark.parametrize(
    ("field", "param"),
    [
        (b'"length_penalty": 1e999', "length_penalty"),
        (b'"logit_bias": {"7": -1e999}', "logit_bias.7"),
    ],
)
def test_a_number_beyond_all_bounds_is_refused(field: bytes, param: str) -> None:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], ' + field + b"}"
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(body)
    assert (caught.value.param, caught.value.message) == (
        param,
        f"Invalid value for '{param}': input should be a finite number.",
    )


@pytest.mark.parametrize("body", [b"[]", b'"hi"', b"1", b"null"])
def test_a_body_is_an_object(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(body)
    assert caught.value.message == "The request's body must be a JSON object."


def test_a_message_of_the_sdk_can_be_sent_back() -> None:
    answer = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    }
    request = parse(messages=[USER, answer, {"role": "tool", "tool_call_id": "1", "content": "42"}])
    assert request.messages[1].body() == {"role": "assistant", "tool_calls": answer["tool_calls"]}


def test_parts_become_one_text() -> None:
    parts = [{"type": "text", "text": "What are"}, {"type": "text", "text": "copies?"}]
    request = parse(messages=[{"role": "user", "content": parts}])
    assert request.messages[0].body() == {"role": "user", "content": "What are\ncopies?"}
    assert request.question == "What are\ncopies?"


def test_the_question_is_the_last_user_message() -> None:
    assistant = {"role": "assistant", "content": "Yes."}
    request = parse(messages=[USER, assistant, {"role": "user", "content": " Why? "}, assistant])
    assert request.question == "Why?"
    assert parse(messages=[{"role": "system", "content": "x"}]).question == ""


def test_a_filter_takes_the_form_of_the_index() -> None:
    request = parse(retrieval={"filter": {"author": "Ada", "kind": {"$in": ["essay"]}}})
    assert request.retrieval.filter == {"$and": [{"author": {"$eq": "Ada"}}, {"kind": {"$in": ["essay"]}}]}


@pytest.mark.anyio
@pytest.mark.parametrize("size", [0, MAX_BODY_BYTES])
async def test_a_body_up_to_the_limit_is_read(size: int) -> None:
    assert len(await read_body(pieces(size))) == size


@pytest.mark.anyio
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 3_000_000, 100_000_000])
async def test_a_larger_body_is_refused(size: int) -> None:
    content = pieces(size)
    with pytest.raises(BodyTooLargeError) as caught:
        await read_body(content)
    assert caught.value.message == "The request's body is larger than 1,000,000 bytes."


@pytest.mark.anyio
async def test_a_body_without_an_end_is_not_read_forever() -> None:
    content = pieces(100_000_000)
    with pytest.raises(BodyTooLargeError):
        await read_body(content)
    assert len([piece async for piece in content]) > 1_000, "most of it was left unread"


async def pieces(size: int) -> Any:
    piece = b"x" * 65_536
    for start in range(0, size, len(piece)):
        yield piece[: size - start]
