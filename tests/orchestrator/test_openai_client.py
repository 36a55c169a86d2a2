"""The official client works against the service as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from orchestrator import errors
from prompting.errors import ApiError, ContextLengthError

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import CHUNKS, MODEL, USAGE, Pause, delta
from tests.orchestrator.serving import serve

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What are copies?"}]
ANSWER = "Grüße from Ada [1]."


@pytest.fixture
def url(harness: Harness) -> Iterator[str]:
    with serve(harness.app) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=2) as one:
        yield one


def test_the_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]


def test_an_answer(client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=QUESTION)
    assert completion.choices[0].message.content == ANSWER
    assert completion.usage is not None
    assert completion.usage.total_tokens == USAGE["total_tokens"]
    extra = completion.model_extra
    assert extra is not None
    assert extra["citations"] == ["https://ada.example/copies", "notes/2"]
    assert [result["document_id"] for result in extra["search_results"]] == ["essays/1", "notes/2"]
    assert extra["grounded"] is True
    assert completion._request_id is not None


def test_a_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == ANSWER
    assert (chunks[0].model_extra or {})["grounded"] is True
    assert all("grounded" not in (chunk.model_extra or {}) for chunk in chunks[1:])
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == USAGE["total_tokens"]


@pytest.mark.anyio
async def test_the_asynchronous_client(url: str) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="key") as client:
        whole = await client.chat.completions.create(model=MODEL, messages=QUESTION)
        assert whole.choices[0].message.content == ANSWER
        stream = await client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(texts) == ANSWER


def test_the_extension(client: OpenAI, harness: Harness) -> None:
    client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        extra_body={"retrieval": {"top_k": 2, "filter": {"author": "Ada"}}},
    )
    assert harness.retriever.searches == [("What are copies?", 2, {"author": {"$eq": "Ada"}})]


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (ContextLengthError(), openai.BadRequestError),
        (errors.ModelFailedError(), openai.InternalServerError),
        (errors.ModelTooSlowError(), openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_generation_that_failed_is_not_sent_again(
    client: OpenAI,
    harness: Harness,
    failure: ApiError,
    raised: type[openai.APIStatusError],
    stream: bool,
) -> None:
    harness.model.script = [failure]
    with pytest.raises(raised) as caught:
        client.chat.completions.create(model=MODEL, messages=QUESTION, stream=stream)
    assert caught.value.code == failure.code
    assert caught.value.message.endswith(failure.message)
    assert len(harness.model.bodies) == 1


def test_a_throttled_request_is_sent_again(client: OpenAI, harness: Harness) -> None:
    failure = errors.ThrottledError(retry_after=1)
    harness.model.script = [failure]
    with pytest.raises(openai.RateLimitError) as caught:
        client.with_options(max_retries=1).chat.completions.create(model=MODEL, messages=QUESTION)
    assert caught.value.code == "rate_limit_exceeded"
    assert len(harness.model.bodies) == 2


def test_a_stream_that_breaks_off(client: OpenAI, harness: Harness) -> None:
    harness.model.script = [CHUNKS[0], errors.StreamBrokenError()]
    stream = client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
    assert next(stream).choices[0].delta.content == "Grüße "
    with pytest.raises(openai.APIError, match=r"^The model's answer broke off before it was complete\.$"):
        next(stream)


@pytest.mark.parametrize(
    ("fields", "param"), [({"temperature": 3.0}, "temperature"), ({"service_tier": "flex"}, "service_tier")]
)
def test_a_refused_field(client: OpenAI, fields: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=QUESTION, extra_body=fields)
    assert caught.value.param == param


def test_tokens_come_one_by_one(client: OpenAI, harness: Harness) -> None:
    harness.model.script = [delta("a"), Pause(0.2), delta("b", "stop")]
    stream = client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
    assert next(stream).choices[0].delta.content == "a"
    assert harness.model.closed == 0
    assert next(stream).choices[0].delta.content == "b"


@pytest.mark.parametrize("stream", [False, True])
def test_leaving_ends_the_generation(url: str, harness: Harness, stream: bool) -> None:
    harness.model.script = [Pause(60)]
    body = {"model": MODEL, "messages": QUESTION, "stream": stream}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/chat/completions", json=body, timeout=0.3)
    assert harness.model.was_closed.wait(5)
    assert harness.model.closed == 1


def test_leaving_in_the_middle_ends_the_generation(client: OpenAI, harness: Harness) -> None:
    harness.model.script = [delta("a"), Pause(60)]
    with client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True) as stream:
        next(stream)
    assert harness.model.was_closed.wait(5)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused_in_words(url: str, chunked: bool) -> None:
    pieces = [b'{"model": "'] + [b"x" * 100_000] * 30 + [b'"}']
    content = iter(pieces) if chunked else b"".join(pieces)
    response = httpx.post(f"{url}/v1/chat/completions", content=content, timeout=10)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


@pytest.mark.anyio
async def test_requests_do_not_wait_for_each_other(url: str, harness: Harness) -> None:
    harness.model.script = [Pause(0.3), *CHUNKS]
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="key") as client:
        started = asyncio.get_running_loop().time()
        await asyncio.gather(
            *(client.chat.completions.create(model=MODEL, messages=QUESTION) for _ in range(8))
        )
        assert asyncio.get_running_loop().time() - started < 8 * 0.3 / 2
