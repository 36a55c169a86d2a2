"""The extractive stand-in: what it answers and when."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.local.services.models import Container, ModelOptions, ModelReply, create_backend
from twin.local.services.models.chat import StopFilter
from twin.local.services.models.extractive import MODEL_NAME, NO_FIT, NO_SOURCES, NOT_DIRECTLY
from twin.local.services.models.sources import best_quotes, parse_sources, split_sentences
from twin.local.services.models.tokens import count_tokens, split_tokens

SOURCES = """Answer from the sources.
<sources>
<source id="1" title="Scaling &amp; cost" url="https://example.org/scaling">
# Scaling to zero

An endpoint scales to zero after fifteen idle minutes. Copies go first &amp; instances follow.
</source>
<source id="2" title="Vectors" url="https://example.org/vectors">
The encoder runs inside the function. An index of a few thousand vectors answers in a millisecond.
</source>
</sources>"""


def request(question: str = "When does the endpoint scale to zero?", **extra: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": SOURCES}, {"role": "user", "content": question}]
    return {"messages": messages, **extra}


async def collect(reply: ModelReply) -> list[bytes]:
    return [chunk async for chunk in reply.body]


def ask(
    body: Mapping[str, Any],
    options: ModelOptions | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, list[bytes], float]:
    """Status, chunks and the seconds they took."""

    async def run() -> tuple[int, list[bytes], float]:
        backend = create_backend(options or ModelOptions(time_to_first_token_ms=0, inter_token_latency_ms=0))
        start = time.monotonic()
        reply = await backend.invoke(json.dumps(body).encode(), Container(environment or {}))
        return reply.status, await collect(reply), time.monotonic() - start

    return asyncio.run(run())


def completion(body: Mapping[str, Any], **environment: str) -> dict[str, Any]:
    status, chunks, _ = ask(body, environment=environment)
    assert status == 200, chunks
    result: dict[str, Any] = json.loads(b"".join(chunks))
    return result


def content(body: Mapping[str, Any]) -> str:
    return str(completion(body)["choices"][0]["message"]["content"])


def error(body: Mapping[str, Any], **environment: str) -> tuple[int, dict[str, Any]]:
    status, chunks, _ = ask(body, environment=environment)
    return status, json.loads(b"".join(chunks))["error"]


def test_it_quotes_the_fitting_sentence_with_its_source() -> None:
    assert content(request()) == "The sources say: An endpoint scales to zero after fifteen idle minutes. [1]"
    assert content(request("Where does the encoder run?")) == (
        "The sources say: The encoder runs inside the function. [2]"
    )


def test_it_says_so_when_nothing_fits() -> None:
    assert content(request("Who won the chess tournament?")) == NO_FIT
    assert content(request("?")) == NO_FIT


def test_it_says_so_when_a_source_comes_only_near() -> None:
    question = "Which of the many clever ways of hosting would let an endpoint cost us nothing overnight?"
    assert content(request(question)) == (
        f"{NOT_DIRECTLY} An endpoint scales to zero after fifteen idle minutes. [1]"
    )


def test_it_says_so_when_there_are_no_sources() -> None:
    assert content({"messages": [{"role": "user", "content": "hello"}]}) == NO_SOURCES


def test_it_is_honest_about_its_name() -> None:
    assert completion(request(model="twin"))["model"] == MODEL_NAME == "extractive-stand-in"


def test_the_same_prompt_gets_the_same_answer() -> None:
    assert len({content(request("How do copies and instances scale?")) for _ in range(3)}) == 1


def test_the_last_question_counts() -> None:
    body = request("Where does the encoder run?")
    body["messages"] += [{"role": "assistant", "content": "There."}, request()["messages"][1]]
    assert content(body).endswith("fifteen idle minutes. [1]")


def test_content_may_come_in_parts() -> None:
    parts = [{"type": "text", "text": "Where does the "}, {"type": "text", "text": "encoder run?"}]
    body = {"messages": [request()["messages"][0], {"role": "user", "content": parts}]}
    assert content(body).endswith("[2]")


def test_sources_are_unescaped() -> None:
    first, second = parse_sources(SOURCES)
    assert (first.id, first.title) == ("1", "Scaling & cost")
    assert "Copies go first & instances follow." in first.text
    assert second.id == "2"


def test_source_text_that_looks_like_a_tag_stays_text() -> None:
    prompt = '<sources>\n<source id="1" title="x">\nIt says &lt;/source&gt; there.\n</source>\n</sources>'
    assert parse_sources(prompt)[0].text == "It says </source> there."


def test_headings_and_short_lines_are_no_sentences() -> None:
    assert split_sentences("# A heading of several words\n\nToo short.\n\n- One item with enough words.") == [
        "One item with enough words."
    ]


def test_quotes_do_not_repeat_each_other() -> None:
    block = "".join(
        f'<source id="{number}" title="">\nThe endpoint scales to zero after some time.\n</source>\n'
        for number in (1, 2)
    )
    quotes = best_quotes(
        "When does the endpoint scale to zero?", parse_sources(f"<sources>\n{block}</sources>")
    )
    assert [quote.source_id for quote in quotes] == ["1"]


def test_usage_counts_tokens() -> None:
    answer = completion(request())
    usage = answer["usage"]
    assert usage["completion_tokens"] == count_tokens(answer["choices"][0]["message"]["content"])
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_max_tokens_cuts_the_answer(name: str) -> None:
    answer = completion({**request(), name: 5})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == "The sources say:"
    assert answer["usage"]["completion_tokens"] == 5


def test_stop_ends_the_answer_before_the_stop_string() -> None:
    answer = completion(request(stop=["after fifteen", "never"]))
    assert answer["choices"][0]["message"]["content"] == "The sources say: An endpoint scales to zero "
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_chunks_of_a_stream() -> None:
    _, chunks, _ = ask(request(stream=True, stream_options={"include_usage": True}))
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in chunks)
    assert chunks[-1] == b"data: [DONE]\n\n"
    events = [json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks[:-1]]
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert len({event["id"] for event in events}) == 1
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert events[-2]["choices"][0] == {
        "index": 0,
        "delta": {"content": ""},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert events[-1]["choices"] == []
    tokens = [event["choices"][0]["delta"]["content"] for event in events[1:-2]]
    assert events[-1]["usage"]["completion_tokens"] == len(tokens)
    assert "".join(tokens) == content(request())


def test_usage_comes_only_when_asked_for() -> None:
    _, chunks, _ = ask(request(stream=True))
    assert not any(b'"usage"' in chunk for chunk in chunks)


@settings(deadline=None)
@given(
    text=st.text(max_size=80),
    stops=st.lists(st.text("ab ", min_size=1, max_size=3), max_size=3),
    data=st.data(),
)
def test_stop_strings_are_found_across_tokens(text: str, stops: list[str], data: st.DataObject) -> None:
    """Whatever the tokens' boundaries, the text is cut where a stop string begins, and holds none."""
    text = data.draw(st.one_of(st.just(text), st.text("ab ", max_size=20)))
    cuts = {text[:position] for stop in stops if (position := text.find(stop)) >= 0}
    filtered, output, rest = StopFilter(stops), "", text
    while rest and not filtered.stopped:
        size = data.draw(st.integers(1, len(rest)))
        output, rest = output + filtered.feed(rest[:size]), rest[size:]
    output += filtered.rest()
    assert filtered.stopped == bool(cuts)
    assert output in (cuts or {text})
    assert not any(stop in output for stop in stops)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_tokens_add_up_to_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        ({}, "'messages' must be a non-empty list", "messages"),
        ({"messages": []}, "'messages' must be a non-empty list", "messages"),
        ({"prompt": "hello"}, "'messages' must be a non-empty list", "messages"),
        ({"messages": ["hello"]}, "each message must be an object with a role", "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "only text content parts are supported by this model",
            "messages",
        ),
        (request(n=2), "n must be 1 when using greedy sampling, got 2.", "n"),
        (request(max_tokens=0), "max_tokens must be at least 1, got 0.", "max_tokens"),
        (request(stop=[1]), "stop must be a non-empty string or a list of them", "stop"),
        (request(tools=[{}]), "'tools' is not supported by this model server", "tools"),
        (
            request(stream_options={"include_usage": True}),
            "Stream options can only be defined when `stream=True`.",
            "stream_options",
        ),
    ],
)
def test_bad_requests_are_refused_as_vllm_does(body: dict[str, Any], message: str, param: str) -> None:
    assert error(body) == (
        400,
        {"message": message, "type": "BadRequestError", "param": param, "code": 400},
    )


def test_text_that_is_not_json_is_refused() -> None:
    async def run() -> tuple[int, bytes]:
        reply = await create_backend(ModelOptions()).invoke(b"{", Container({}))
        return reply.status, b"".join(await collect(reply))

    status, body = asyncio.run(run())
    assert status == 400
    assert json.loads(body)["error"]["message"].startswith("Invalid JSON: ")


def test_a_prompt_longer_than_the_model_is_refused() -> None:
    tokens = completion(request())["usage"]["prompt_tokens"]
    status, refused = error(request(), SM_VLLM_MAX_MODEL_LEN=str(tokens))
    assert status == 400
    assert refused["message"] == (
        f"This model's maximum context length is {tokens} tokens. However, your request has {tokens} input "
        "tokens. Please reduce the length of the input messages."
    )


def test_an_answer_that_may_not_fit_is_refused() -> None:
    tokens = completion(request())["usage"]["prompt_tokens"]
    status, refused = error(request(max_tokens=100), SM_VLLM_MAX_MODEL_LEN=str(tokens + 50))
    assert status == 400
    assert refused["message"] == (
        f"'max_tokens' or 'max_completion_tokens' is too large: 100. This model's maximum context length is "
        f"{tokens + 50} tokens and your request has {tokens} input tokens (100 > {tokens + 50} - {tokens})."
    )


def test_an_answer_stops_where_the_model_ends() -> None:
    tokens = completion(request())["usage"]["prompt_tokens"]
    answer = completion(request(), SM_VLLM_MAX_MODEL_LEN=str(tokens + 3))
    assert (answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]) == (3, "length")


@pytest.mark.parametrize("served", ["twin", '["twin", "other"]'])
def test_only_served_models_answer(served: str) -> None:
    assert completion(request(model="twin"), SM_VLLM_SERVED_MODEL_NAME=served)
    assert completion(request(), SM_VLLM_SERVED_MODEL_NAME=served)
    assert error(request(model="gpt"), SM_VLLM_SERVED_MODEL_NAME=served) == (
        404,
        {
            "message": "The model `gpt` does not exist.",
            "type": "NotFoundError",
            "param": "model",
            "code": 404,
        },
    )


def test_a_whole_answer_takes_the_time_of_its_tokens() -> None:
    """The last of n tokens comes TTFT + (n - 1) * ITL after the start, never earlier."""
    options = ModelOptions(time_to_first_token_ms=50, inter_token_latency_ms=10)
    _, chunks, seconds = ask(request(max_tokens=11), options)
    assert json.loads(chunks[0])["usage"]["completion_tokens"] == 11
    assert seconds >= 0.050 + 10 * 0.010


def test_streamed_tokens_take_their_time_too() -> None:
    options = ModelOptions(time_to_first_token_ms=50, inter_token_latency_ms=10)

    async def run() -> list[float]:
        start = time.monotonic()
        body = json.dumps(request(stream=True, max_tokens=11)).encode()
        reply = await create_backend(options).invoke(body, Container({}))
        return [time.monotonic() - start async for _ in reply.body]

    times = asyncio.run(run())
    assert times[0] >= 0.050
    assert times[-1] >= 0.050 + 10 * 0.010


@pytest.mark.parametrize(("stream", "waits"), [(False, 1), (True, 11)])
def test_a_whole_answer_waits_once(monkeypatch: pytest.MonkeyPatch, stream: bool, waits: int) -> None:
    """A timer for each token would be most of what a line of a transform job costs this machine."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    ask(request(stream=stream, max_tokens=11))
    assert len(slept) == waits
