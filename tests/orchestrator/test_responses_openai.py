"""The official client works with responses as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from jobtable import ids, keys, states
from jobtable.records import to_item
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.orchestrator.conftest import Harness
from tests.orchestrator.fakes import CHUNKS, COMPLETION, MODEL, FakeModel, Pause
from tests.orchestrator.serving import serve

OWNER = "local"
QUESTION = "What are copies?"
ANSWER = "Grüße from Ada [1]."


@pytest.fixture
def url(harness: Harness) -> Iterator[str]:
    with serve(harness.app) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0) as one:
        yield one


def strictly(response: Response) -> Response:
    """The response, each field of which has the type that the package promises."""
    return Response.model_validate(response.model_dump(), strict=True)


def test_an_answer(client: OpenAI) -> None:
    response = strictly(client.responses.create(model=MODEL, input=QUESTION))
    assert (response.status, response.output_text) == ("completed", ANSWER)
    assert response.usage is not None
    assert response.usage.total_tokens == 10
    extra = response.model_extra
    assert extra is not None
    assert extra["citations"] == ["https://ada.example/copies", "notes/2"]
    assert extra["grounded"] is True


def test_a_stream_of_events(client: OpenAI) -> None:
    events = list(client.responses.create(model=MODEL, input=QUESTION, stream=True))
    assert events[0].type == "response.created"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == ANSWER
    last = events[-1]
    assert last.type == "response.completed"
    assert strictly(last.response).output_text == ANSWER


def test_the_packages_own_reading_of_a_stream(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[-1] == "response.completed"
    assert final.output_text == ANSWER


def test_an_answer_in_a_schema(client: OpenAI, harness: Harness) -> None:
    class Answer(BaseModel):
        text: str

    message = {"role": "assistant", "content": '{"text": "Cheap."}'}
    harness.model.answer = {
        **COMPLETION,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    response = client.responses.parse(model=MODEL, input=QUESTION, text_format=Answer)
    assert response.output_parsed == Answer(text="Cheap.")
    [body] = harness.model.bodies
    assert body["response_format"]["json_schema"]["schema"]["properties"] == {
        "text": {"title": "Text", "type": "string"}
    }


def test_a_conversation_goes_on(client: OpenAI, harness: Harness) -> None:
    first = client.responses.create(model=MODEL, input=QUESTION)
    again = [*(item.model_dump() for item in first.output), {"role": "user", "content": "And?"}]
    assert client.responses.create(model=MODEL, input=again).output_text == ANSWER  # type: ignore[arg-type]
    assert [message["role"] for message in harness.model.bodies[1]["messages"]] == [
        "system",
        "assistant",
        "user",
    ]


def test_leaving_a_stream_ends_the_generation(harness: Harness) -> None:
    harness.model = FakeModel([CHUNKS[0], Pause(60)])
    with serve(harness.app) as url, OpenAI(base_url=f"{url}/v1", api_key="key") as client:
        stream = client.responses.create(model=MODEL, input=QUESTION, stream=True)
        next(iter(stream))
        stream.close()
        assert harness.model.was_closed.wait(5)


def test_a_background_response_from_its_creation_to_its_deletion(client: OpenAI, harness: Harness) -> None:
    response = strictly(client.responses.create(model=MODEL, input=QUESTION, background=True))
    assert (response.status, response.output_text, response.background) == ("queued", "", True)
    assert strictly(client.responses.retrieve(response.id)).status == "queued"

    table = harness.jobs.table
    [record] = table.records(OWNER, ids.RESPONSE)
    assert record["output_key"].startswith(keys.ASYNCHRONOUS_OUTPUT)
    harness.jobs.objects.contents[record["output_key"]] = json.dumps(COMPLETION).encode()
    done = {**record, "status": states.COMPLETED, "ended_at": record["created_at"] + 2}
    table.items[OWNER, record["id"]] = to_item(done)

    response = strictly(client.responses.retrieve(response.id))
    assert (response.status, response.output_text) == ("completed", ANSWER)
    assert response.completed_at == record["created_at"] + 2
    assert client.responses.cancel(response.id).status == "completed"
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError) as raised:
        client.responses.retrieve(response.id)
    assert raised.value.code == "not_found"


def test_a_background_response_is_cancelled(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=QUESTION, background=True)
    assert strictly(client.responses.cancel(response.id)).status == "cancelled"
    assert client.responses.retrieve(response.id).status == "cancelled"


def test_an_idempotency_key(client: OpenAI) -> None:
    key = {"Idempotency-Key": "night-42"}
    first, second = (
        client.responses.create(model=MODEL, input=QUESTION, background=True, extra_headers=key)
        for _ in range(2)
    )
    assert first == second
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model=MODEL, input="Why?", background=True, extra_headers=key)
    assert raised.value.code == "idempotency_key_reused"


def test_the_extension(client: OpenAI, harness: Harness) -> None:
    client.responses.create(model=MODEL, input=QUESTION, extra_body={"retrieval": {"top_k": 2}})
    assert harness.retriever.searches == [(QUESTION, 2, None)]


@pytest.mark.anyio
async def test_the_asynchronous_client(url: str) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="key") as client:
        whole = await client.responses.create(model=MODEL, input=QUESTION)
        assert whole.output_text == ANSWER
        stream = await client.responses.create(model=MODEL, input=QUESTION, stream=True)
        kinds = [event.type async for event in stream]
        assert kinds[-1] == "response.completed"
        queued = await client.responses.create(model=MODEL, input=QUESTION, background=True)
        assert (await client.responses.retrieve(queued.id)).status == "queued"
