"""The events of streamed responses."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from openai.types.responses import ResponseStreamEvent
from orchestrator.errors import StreamBrokenError

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import CHUNKS, MODEL, USAGE, FakeModel, chunk, delta

pytestmark = pytest.mark.anyio

EVENTS = {
    get_args(event.model_fields["type"].annotation)[0]: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
}
TEXT = "Grüße from Ada [1]."


async def stream(harness: Harness, **fields: Any) -> list[dict[str, Any]]:
    """The events, each of which the official package's types take."""
    body = {"model": MODEL, "input": "What are copies?", "stream": True, **fields}
    response = await harness.request("POST", "/v1/responses", json=body)
    assert (response.status_code, response.headers["content-type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    events = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        EVENTS[event["type"]].model_validate(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def calls(*parts: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return chunk(choices=[{"index": 0, "delta": {"tool_calls": list(parts)}, "finish_reason": finish_reason}])


async def test_the_events_of_an_answer(harness: Harness) -> None:
    events = await stream(harness)
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "".join(event["delta"] for event in events[4:7]) == TEXT == events[8]["text"]
    [created, *_, completed] = [event["response"] for event in events if "response" in event]
    assert (created["status"], created["output"], created["grounded"]) == ("in_progress", [], True)
    assert completed["id"] == created["id"]
    assert completed["output"] == [events[10]["item"]]
    assert completed["output"][0]["content"] == [events[9]["part"]]
    assert events[9]["part"]["annotations"] == [events[7]["annotation"]]
    assert completed["usage"]["output_tokens"] == USAGE["completion_tokens"]
    assert completed["citations"] == ["https://ada.example/copies", "notes/2"]


async def test_a_streamed_response_is_the_one_that_comes_whole(harness: Harness) -> None:
    *_, last = await stream(harness, metadata={"a": "b"}, temperature=0.1)
    body = {"model": MODEL, "input": "What are copies?", "metadata": {"a": "b"}, "temperature": 0.1}
    whole = (await harness.request("POST", "/v1/responses", json=body)).json()
    for response in (last["response"], whole):
        response.pop("completed_at", None)
        response["output"][0].pop("id")
        response.pop("id")
        response.pop("created_at")
    assert last["response"] == whole


async def test_an_answer_that_was_cut_off_ends_as_incomplete(harness: Harness) -> None:
    harness.model = FakeModel([delta("Copies", "length"), chunk(usage=USAGE)])
    *_, last = await stream(harness)
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"


async def test_calls_have_items_of_their_own(harness: Harness) -> None:
    harness.model = FakeModel(
        [
            delta("Let me see."),
            calls({"index": 0, "id": "a", "function": {"name": "find", "arguments": ""}}),
            calls({"index": 0, "function": {"arguments": '{"q"'}}),
            calls(
                {"index": 0, "function": {"arguments": ": 1}"}},
                {"index": 1, "id": "b", "function": {"name": "look", "arguments": "{}"}},
                finish_reason="tool_calls",
            ),
            chunk(usage=USAGE),
        ]
    )
    events = await stream(harness)
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in output[1:]] == [
        ("a", "find", '{"q": 1}'),
        ("b", "look", "{}"),
    ]
    deltas = [event for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert [(event["output_index"], event["delta"]) for event in deltas] == [
        (1, '{"q"'),
        (1, ": 1}"),
        (2, "{}"),
    ]
    assert len({item["id"] for item in output}) == 3
    for index, item in enumerate(output):
        own = [event for event in events if event.get("item_id") == item["id"]]
        assert {event["output_index"] for event in own} == {index}


async def test_an_empty_answer_is_a_message_without_text(harness: Harness) -> None:
    harness.model = FakeModel([delta("", "stop"), chunk(usage=USAGE)])
    *_, last = await stream(harness)
    assert last["type"] == "response.completed"
    [item] = last["response"]["output"]
    assert item["content"][0]["text"] == ""


async def test_an_answer_that_breaks_off_ends_as_failed(harness: Harness) -> None:
    harness.model = FakeModel([CHUNKS[0], StreamBrokenError()])
    *_, last = await stream_of_a_failure(harness)
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"] == {
        "code": "stream_broken",
        "message": "The model's answer broke off before it was complete.",
    }
    assert last["response"]["output"][0]["content"][0]["text"] == "Grüße "
    [record] = harness.telemetry.records
    assert record.outcome == "stream_broken"


async def stream_of_a_failure(harness: Harness) -> list[dict[str, Any]]:
    """The events; those of failures carry our codes, which the package's types do not list."""
    body = {"model": MODEL, "input": "Hi", "stream": True}
    response = await harness.request("POST", "/v1/responses", json=body)
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


async def test_what_fails_before_the_first_token_has_its_status(harness: Harness) -> None:
    harness.model = FakeModel([StreamBrokenError()])
    body = {"model": MODEL, "input": "Hi", "stream": True}
    response = await harness.request("POST", "/v1/responses", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "stream_broken")
