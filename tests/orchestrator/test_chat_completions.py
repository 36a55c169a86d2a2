"""Chat completions with sources: what goes to the model, what comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from orchestrator.errors import RetrievalUnavailableError

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import CHUNKS, COMPLETION, MODEL, PASSAGES, USAGE, FakeModel, chunk, delta

pytestmark = pytest.mark.anyio

ABOUT_SOURCES = {
    "citations": ["https://ada.example/copies", "notes/2"],
    "search_results": [
        {
            "index": 1,
            "document_id": "essays/1",
            "text": "Copies are cheap.",
            "score": 0.9,
            "title": "On copies",
            "url": "https://ada.example/copies",
            "author": "Ada",
            "kind": "essay",
            "language": "en",
        },
        {
            "index": 2,
            "document_id": "notes/2",
            "text": "Tokens stream.",
            "score": 0.5,
            "title": None,
            "url": None,
            "author": None,
            "kind": None,
            "language": None,
        },
    ],
    "grounded": True,
}
UNGROUNDED = {"citations": [], "search_results": [], "grounded": False}


def events(text: str) -> list[Any]:
    """The data of each event; `[DONE]` as it is."""
    assert text.endswith("\n\n")
    data = [event.removeprefix("data: ") for event in text.removesuffix("\n\n").split("\n\n")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


async def test_an_answer_comes_with_its_sources(harness: Harness) -> None:
    response = await harness.chat()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {**COMPLETION, **ABOUT_SOURCES}


async def test_a_stream_tells_its_sources_first(harness: Harness) -> None:
    response = await harness.chat(stream=True)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert "content-length" not in response.headers
    assert events(response.text) == [{**CHUNKS[0], **ABOUT_SOURCES}, CHUNKS[1], CHUNKS[2], "[DONE]"]


@pytest.mark.parametrize(
    ("options", "asked", "usage_chunks"),
    [
        (None, {"include_usage": True}, 0),
        ({}, {"include_usage": True}, 0),
        ({"include_usage": False}, {"include_usage": True}, 0),
        ({"include_usage": True}, {"include_usage": True}, 1),
        ({"continuous_usage_stats": True}, {"continuous_usage_stats": True, "include_usage": True}, 0),
    ],
)
async def test_usage_is_always_asked_for_and_given_on_request(
    harness: Harness, options: dict[str, bool] | None, asked: dict[str, bool], usage_chunks: int
) -> None:
    response = await harness.chat(stream=True, stream_options=options)
    assert harness.model.bodies[0]["stream_options"] == asked
    assert [each for each in events(response.text) if each != "[DONE]" and each.get("usage")] == (
        [CHUNKS[3]] * usage_chunks
    )
    assert harness.telemetry.records[0].completion_tokens == USAGE["completion_tokens"]


async def test_a_plain_request_asks_the_model_for_nothing_more(harness: Harness) -> None:
    await harness.chat()
    [body] = harness.model.bodies
    assert set(body) == {"messages", "max_tokens"}
    assert body["max_tokens"] == 512


@pytest.mark.parametrize(
    ("retrieval", "search"),
    [
        ({}, ("What are copies?", 4, None)),
        ({"top_k": 1}, ("What are copies?", 1, None)),
        ({"enabled": True, "filter": {"author": "Ada"}}, ("What are copies?", 4, {"author": {"$eq": "Ada"}})),
        ({"filter": {}}, ("What are copies?", 4, None)),
    ],
)
async def test_the_client_says_how_to_look_for_sources(
    harness: Harness, retrieval: dict[str, Any], search: tuple[str, int, dict[str, Any] | None]
) -> None:
    assert (await harness.chat(retrieval=retrieval)).status_code == 200
    assert harness.retriever.searches == [search]


async def test_without_retrieval_nothing_is_looked_for(harness: Harness) -> None:
    response = await harness.chat(retrieval={"enabled": False})
    assert response.json() == {**COMPLETION, **UNGROUNDED}
    assert harness.retriever.searches == []
    assert "no source was found" not in harness.model.bodies[0]["messages"][0]["content"]


@pytest.mark.parametrize("question", ["", "   "])
async def test_without_a_question_nothing_is_looked_for(harness: Harness, question: str) -> None:
    assert (await harness.chat(question)).json()["grounded"] is False
    assert harness.retriever.searches == []


def turns(*texts: str) -> list[dict[str, str]]:
    """A conversation that the user began, and in which the user speaks last."""
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]


async def test_a_question_that_finds_sources_is_searched_for_alone(harness: Harness) -> None:
    await harness.chat(messages=turns("What are copies?", "Models.", "What is a token?"))
    assert [text for text, _, _ in harness.retriever.searches] == ["What is a token?"]


async def test_a_question_that_finds_nothing_is_searched_for_with_the_one_before(harness: Harness) -> None:
    harness.retriever.passages_for = {"And why?\nWhat are copies?": PASSAGES}
    harness.retriever.passages = PASSAGES[2:]
    filter_ = {"kind": {"$eq": "essay"}}
    response = await harness.chat(
        messages=turns("Hello.", "Hi.", "What are copies?", "Models.", "And why?"),
        retrieval={"top_k": 3, "filter": filter_},
    )
    assert harness.retriever.searches == [
        ("And why?", 3, filter_),
        ("And why?\nWhat are copies?", 3, filter_),
    ]
    assert [source["score"] for source in response.json()["search_results"]] == [0.9, 0.5]


@pytest.mark.parametrize("messages", [turns("Why?"), turns(" ", "Hi.", "Why?")])
async def test_a_question_with_none_before_it_is_searched_for_once(
    harness: Harness, messages: list[dict[str, str]]
) -> None:
    harness.retriever.passages = ()
    assert (await harness.chat(messages=messages)).json() == {**COMPLETION, **UNGROUNDED}
    assert len(harness.retriever.searches) == 1


async def test_a_source_just_similar_enough_is_given(harness: Harness) -> None:
    harness.retriever.passages = [replace(PASSAGES[1], score=0.25), replace(PASSAGES[1], score=0.249999)]
    assert [source["score"] for source in (await harness.chat()).json()["search_results"]] == [0.25]


async def test_sources_that_are_not_similar_are_left_out(harness: Harness) -> None:
    harness.retriever.passages = PASSAGES[2:]
    assert (await harness.chat()).json() == {**COMPLETION, **UNGROUNDED}
    assert "Say that no source was found." in harness.model.bodies[0]["messages"][0]["content"]


async def test_an_environment_may_answer_without_sources(harness: Harness) -> None:
    harness.variables["RETRIEVAL_FALLBACK"] = "ungrounded"
    harness.retriever.failure = RetrievalUnavailableError()
    response = await harness.chat()
    assert response.status_code == 200
    assert response.json() == {**COMPLETION, **UNGROUNDED}
    [record] = harness.telemetry.records
    assert (record.outcome, record.grounded, record.error) == (
        "ok",
        False,
        "RetrievalUnavailableError: The sources cannot be searched at the moment. Please try again shortly.",
    )


async def test_several_choices_are_passed_on(harness: Harness) -> None:
    script = [chunk(choices=[{"index": index, "delta": {"content": "x"}}]) for index in (0, 1)]
    harness.model = FakeModel(script)
    response = await harness.chat(stream=True, n=2)
    first, second, done = events(response.text)
    assert (first["choices"], second["choices"]) == (script[0]["choices"], script[1]["choices"])
    assert done == "[DONE]"


async def test_half_a_character_from_the_model_breaks_nothing(harness: Harness) -> None:
    harness.model = FakeModel([delta("\ud83d")], answer={**COMPLETION, "id": "\ud83d"})
    assert events((await harness.chat(stream=True)).text)[0]["choices"][0]["delta"] == {"content": "?"}
    assert (await harness.chat()).json()["id"] == "?"


async def test_the_models_are_listed(harness: Harness) -> None:
    response = await harness.request("GET", "/v1/models")
    assert response.status_code == 200
    listing = response.json()
    assert listing["data"][0].pop("created") > 1_700_000_000
    assert listing == {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "llm-twin"}]}


async def test_health_says_whether_requests_can_be_answered(harness: Harness) -> None:
    response = await harness.request("GET", "/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    harness.ready = False
    response = await harness.request("GET", "/health")
    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


async def test_stages_are_traced(harness: Harness) -> None:
    await harness.chat()
    await harness.chat(stream=True)
    assert harness.tracing.stages == ["retrieve", "model"] * 2


@pytest.mark.parametrize("stream", [False, True])
async def test_each_request_leaves_a_record(harness: Harness, stream: bool) -> None:
    response = await harness.chat(stream=stream)
    [record] = harness.telemetry.records
    assert record.request_id == response.headers["x-request-id"]
    assert (record.method, record.path) == ("POST", "/v1/chat/completions")
    assert (record.status, record.outcome, record.streamed) == (200, "ok", stream)
    assert (record.sources, record.grounded) == (2, True)
    assert (record.prompt_tokens, record.completion_tokens) == (7, 3)
    assert record.total_ms is not None
    assert record.retrieval_ms is not None
    assert (record.ttft_ms is not None) is stream
    assert 0 <= record.retrieval_ms <= record.total_ms
    assert record.error is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("my-request.1", True),
        ("short", False),
        ("a" * 64, True),
        ("a" * 65, False),
        ("with space 123", False),
        ("my-request.1,2", False),
    ],
)
async def test_a_client_may_name_its_request(harness: Harness, given: str, kept: bool) -> None:
    response = await harness.request("GET", "/health", headers={"x-request-id": given})
    assert (response.headers["x-request-id"] == given) is kept
    assert kept or response.headers["x-request-id"].startswith("req_")
