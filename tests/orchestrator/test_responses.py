"""Responses that are answered at once: what the model is asked, and what the client gets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from openai.types.responses import Response as OpenAIResponse
from openai.types.responses.response_create_params import (
    ResponseCreateParamsBase,
    ResponseCreateParamsNonStreaming,
)
from orchestrator.responses.fields import REFUSED
from orchestrator.responses.request import ResponsesRequest

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import COMPLETION, MODEL, USAGE

pytestmark = pytest.mark.anyio

QUESTION = "What are copies?"
TOOL = {
    "type": "function",
    "name": "find",
    "description": "Finds.",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    "strict": True,
}


async def respond(harness: Harness, given: Any = QUESTION, **fields: Any) -> httpx.Response:
    return await harness.request("POST", "/v1/responses", json={"model": MODEL, "input": given, **fields})


async def asked(harness: Harness, given: Any = QUESTION, **fields: Any) -> dict[str, Any]:
    """The body that the model was asked, without the service's own prompt."""
    response = await respond(harness, given, retrieval={"enabled": False}, **fields)
    assert response.status_code == 200, response.text
    [body] = harness.model.bodies
    return body


def completion(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {**COMPLETION, "choices": [choice]}


async def test_a_response_has_the_answer_its_sources_and_what_was_asked(harness: Harness) -> None:
    body = (
        await respond(
            harness,
            instructions="Be brief.",
            temperature=0.5,
            max_output_tokens=100,
            metadata={"ticket": "17"},
            user="u",
        )
    ).json()
    response = OpenAIResponse.model_validate(body)
    assert response.id.startswith("resp_")
    assert (response.object, response.status, response.background) == ("response", "completed", False)
    assert response.output_text == "Grüße from Ada [1]."
    assert (response.model, response.instructions, response.temperature) == (MODEL, "Be brief.", 0.5)
    assert (response.max_output_tokens, response.top_p, response.user) == (100, None, "u")
    assert (response.metadata, response.tool_choice, response.tools) == ({"ticket": "17"}, "auto", [])
    assert response.parallel_tool_calls is True
    assert response.error is None
    assert response.incomplete_details is None
    assert body["store"] is False
    assert body["text"] == {"format": {"type": "text"}}
    assert body["usage"] == {
        "input_tokens": USAGE["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": USAGE["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": USAGE["total_tokens"],
    }
    assert body["grounded"] is True
    assert body["citations"] == ["https://ada.example/copies", "notes/2"]
    assert [source["index"] for source in body["search_results"]] == [1, 2]


async def test_markers_of_sources_with_an_address_become_annotations(harness: Harness) -> None:
    text = "Copies [1] are cheap [2], äh [1, 2] and [9]."
    harness.model.answer = completion(content=text)
    body = (await respond(harness)).json()
    [part] = body["output"][0]["content"]
    address = {"type": "url_citation", "title": "On copies", "url": "https://ada.example/copies"}
    assert part["annotations"] == [
        {**address, "start_index": 7, "end_index": 10},
        {**address, "start_index": 29, "end_index": 35},
    ]
    assert text[7:10] == "[1]"
    assert text[29:35] == "[1, 2]"


async def test_an_answer_that_was_cut_off_is_incomplete(harness: Harness) -> None:
    harness.model.answer = {
        **COMPLETION,
        "choices": [{"index": 0, "message": {"content": "Copies"}, "finish_reason": "length"}],
    }
    body = (await respond(harness)).json()
    response = OpenAIResponse.model_validate(body)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert body["output"][0]["status"] == "incomplete"


async def test_calls_are_items_of_the_output(harness: Harness) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q": "x"}'}}
    harness.model.answer = completion(content=None, tool_calls=[call])
    body = (await respond(harness, tools=[TOOL], tool_choice="required")).json()
    response = OpenAIResponse.model_validate(body)
    [item] = response.output
    assert item.type == "function_call"
    assert (item.call_id, item.name, item.arguments) == ("call_1", "find", '{"q": "x"}')
    assert (response.tool_choice, body["tools"]) == ("required", [TOOL])


async def test_text_is_the_last_user_message(harness: Harness) -> None:
    body = await asked(harness, "Why?", instructions="Be brief.")
    assert body["messages"][-1] == {"role": "user", "content": "Why?"}
    assert "Be brief." in body["messages"][0]["content"]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


async def test_items_become_messages(harness: Harness) -> None:
    items = [
        {"role": "developer", "content": "Count."},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "c", "annotations": [], "logprobs": []}],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "1", "name": "find", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "find", "arguments": "{}", "status": None},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "y"}]},
        {"role": "user", "content": "And?"},
    ]
    messages = (await asked(harness, items))["messages"]
    calls = [
        {"id": number, "type": "function", "function": {"name": "find", "arguments": "{}"}}
        for number in ("1", "2")
    ]
    assert messages[1:] == [
        {"role": "user", "content": "a\nb"},
        {"role": "assistant", "content": "c", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
        {"role": "tool", "tool_call_id": "2", "content": "y"},
        {"role": "user", "content": "And?"},
    ]
    assert "Count." in messages[0]["content"]


async def test_an_earlier_response_can_be_sent_back_as_it_came(harness: Harness) -> None:
    first = (await respond(harness)).json()
    answer = await respond(harness, [*first["output"], {"role": "user", "content": "And?"}])
    assert answer.status_code == 200
    assert harness.model.bodies[1]["messages"][1] == {"role": "assistant", "content": "Grüße from Ada [1]."}


async def test_fields_take_the_names_that_the_model_knows(harness: Harness) -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"], "default": None}}}
    body = await asked(
        harness,
        temperature=0.2,
        top_p=0.9,
        max_output_tokens=50,
        parallel_tool_calls=False,
        tools=[TOOL],
        tool_choice={"type": "function", "name": "find"},
        text={"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}},
        truncation="disabled",
        store=False,
        include=[],
        reasoning=None,
    )
    del body["messages"]
    function = {name: value for name, value in TOOL.items() if name != "type"}
    assert body == {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_completion_tokens": 50,
        "parallel_tool_calls": False,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "find"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": schema, "strict": True},
        },
    }


@pytest.mark.parametrize(("form", "sent"), [("json_object", {"type": "json_object"}), ("text", None)])
async def test_other_formats(harness: Harness, form: str, sent: dict[str, str] | None) -> None:
    body = await asked(harness, text={"format": {"type": form}})
    assert body.get("response_format") == sent


async def refusal(harness: Harness, **fields: Any) -> dict[str, Any]:
    """The error of a request that does nothing."""
    response = await respond(harness, **fields)
    error: dict[str, Any] = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert harness.model.bodies == []
    assert harness.jobs.calls.names == []
    return error


@pytest.mark.parametrize(("name", "reason"), sorted(REFUSED.items()))
async def test_a_field_without_effect_is_refused_with_the_reason(
    harness: Harness, name: str, reason: str
) -> None:
    error = await refusal(harness, **{name: "a"})
    assert (error["param"], error["code"]) == (name, "unsupported_parameter")
    assert error["message"] == f"Unsupported parameter: '{name}' is not supported here; {reason}."
    assert (await respond(harness, **{name: None})).status_code == 200


def test_each_of_openais_fields_is_known() -> None:
    theirs = set(ResponseCreateParamsNonStreaming.__annotations__) | set(
        ResponseCreateParamsBase.__annotations__
    )
    assert theirs - set(ResponsesRequest.model_fields) <= set(REFUSED)


@pytest.mark.parametrize(
    ("fields", "param", "reason"),
    [
        ({"truncation": "auto"}, "truncation", "'; what is too long is refused instead of shortened."),
        ({"store": True}, "store", "'; only background responses are stored."),
        (
            {"background": True, "stream": True},
            "stream",
            "' with 'background'; a background response is fetched with GET /v1/responses/{id}.",
        ),
        (
            {"background": True, "store": False},
            "store",
            "' with 'background'; a background response is stored until it is deleted.",
        ),
        ({"text": {"verbosity": "low"}}, "text.verbosity", "'; the model server does not honour it."),
    ],
)
async def test_a_value_that_openai_takes_is_refused_with_the_reason(
    harness: Harness, fields: dict[str, Any], param: str, reason: str
) -> None:
    error = await refusal(harness, **fields)
    assert (error["param"], error["code"]) == (param, "unsupported_parameter")
    assert error["message"] == f"Unsupported value for '{param}{reason}"


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        (
            {"stream_options": {"include_obfuscation": False}},
            "stream_options",
            "'stream_options' is only allowed when 'stream' is true.",
        ),
        ({"colour": 1}, "colour", "Unknown parameter: 'colour'."),
        ({"given": None}, "input", "Missing required parameter: 'input'."),
        ({"temperature": 3}, "temperature", "Invalid value for 'temperature': input should be less than or"),
        ({"metadata": {"a": 1}}, "metadata.a", "Invalid type for 'metadata.a': expected a string."),
        (
            {"tools": [{"type": "web_search"}]},
            "tools[0].type",
            "Invalid value for 'tools[0].type': input should be 'function'.",
        ),
        (
            {"given": [{"role": "user"}]},
            "input[0].content",
            "Missing required parameter: 'input[0].content'.",
        ),
        (
            {"given": [{"type": "item_reference", "id": "x"}]},
            "input[0]",
            "Invalid value for 'input[0]': only items of type message, function_call and function_call_o",
        ),
        (
            {"given": [{"role": "user", "content": [{"type": "input_image", "text": ""}]}]},
            "input[0].content[0].type",
            "Invalid value for 'input[0].content[0].type': input should be 'input_text' or 'output_text'.",
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "a"}}},
            "text.format.schema",
            "Missing required parameter: 'text.format.schema'.",
        ),
        ({"retrieval": {"filter": {"$no": 1}}}, "retrieval.filter", "Invalid filter at "),
        (
            {"max_output_tokens": 513},
            "max_output_tokens",
            "max_output_tokens is too large: 513. At most 512 completion tokens are given.",
        ),
    ],
)
async def test_what_is_wrong_is_named(
    harness: Harness, fields: dict[str, Any], param: str, message: str
) -> None:
    error = await refusal(harness, **fields)
    assert error["param"] == param
    assert error["message"].startswith(message)


async def test_too_long_an_input_is_named_so(harness: Harness) -> None:
    response = await respond(harness, "A" * 5000)
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")


async def test_another_model_is_not_found(harness: Harness) -> None:
    response = await respond(harness, model="gpt")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_an_answer_that_is_none_is_the_models_failure(harness: Harness) -> None:
    harness.model.answer = {"choices": []}
    response = await respond(harness)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "model_error")
