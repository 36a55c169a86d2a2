"""What the service may rely on, of the fake model and of the one behind a SageMaker endpoint alike."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from orchestrator.aws.client import AwsClient
from orchestrator.aws.credentials import Credentials
from orchestrator.errors import ModelFailedError, StreamBrokenError
from orchestrator.model import Model, SageMakerModel
from prompting.errors import ApiError

from tests.orchestrator.aws_stub import AwsStub, Reply, error_reply, json_reply, payload_part, vllm_stream
from tests.orchestrator.fakes import CHUNKS, COMPLETION, FakeModel, Pause

if TYPE_CHECKING:
    import httpcore

pytestmark = pytest.mark.anyio

BODY = {"messages": [{"role": "user", "content": "Grüße"}], "max_tokens": 5}


class Bench(Protocol):
    """A model, and the means to make it behave."""

    @property
    def model(self) -> Model: ...
    def answers(self) -> None: ...
    def fails(self) -> None: ...
    def breaks_off(self) -> None: ...
    def never_goes_on(self) -> None: ...
    def bodies(self) -> list[dict[str, Any]]: ...


class FakeBench:
    def __init__(self) -> None:
        self.model = FakeModel()

    def answers(self) -> None:
        pass

    def fails(self) -> None:
        self.model.script = [ModelFailedError()]

    def breaks_off(self) -> None:
        self.model.script, self.model.complete_script = CHUNKS[:1], False

    def never_goes_on(self) -> None:
        self.model.script = [CHUNKS[0], Pause(60)]

    def bodies(self) -> list[dict[str, Any]]:
        return self.model.bodies


@dataclass
class SageMakerBench:
    stub: AwsStub
    model: SageMakerModel

    def answers(self) -> None:
        self.stub.script(json_reply(COMPLETION) if self._whole else stream_reply(vllm_stream(CHUNKS)))

    def fails(self) -> None:
        self.stub.script(error_reply(424, "ModelError", Message="boom", OriginalStatusCode=500))

    def breaks_off(self) -> None:
        self.stub.script(stream_reply(vllm_stream(CHUNKS[:1], done=False)))

    def never_goes_on(self) -> None:
        self.stub.script(Reply([payload_part(vllm_stream(CHUNKS[:1], done=False)), 60.0]))

    def bodies(self) -> list[dict[str, Any]]:
        return [call.body for call in self.stub.calls]

    _whole = False

    def whole(self) -> None:
        self._whole = True


def stream_reply(stream: bytes) -> Reply:
    return Reply([payload_part(stream)], headers={"content-type": "application/vnd.amazon.eventstream"})


def sagemaker_model(pool: httpcore.AsyncConnectionPool, url: str) -> SageMakerModel:
    client = AwsClient(
        pool,
        base_url=url,
        signing_name="sagemaker",
        region="us-east-1",
        credentials=lambda: Credentials("a", "b"),
        backoff_seconds=0.001,
    )
    return SageMakerModel(client, endpoint_name="realtime", inference_component_name="component")


@pytest.fixture(params=["fake", "sagemaker"])
def bench(
    request: pytest.FixtureRequest, pool: httpcore.AsyncConnectionPool, aws: tuple[AwsStub, str]
) -> Bench:
    if request.param == "fake":
        return FakeBench()
    stub, url = aws
    return SageMakerBench(stub, sagemaker_model(pool, url))


async def collect(model: Model) -> list[dict[str, Any]]:
    async with aclosing(model.stream(BODY)) as chunks:
        return [chunk async for chunk in chunks]


async def test_a_stream_is_every_chunk_of_the_answer(bench: Bench) -> None:
    bench.answers()
    assert await collect(bench.model) == list(CHUNKS)
    assert bench.bodies() == [BODY]


async def test_a_completion_is_the_whole_answer(bench: Bench) -> None:
    if isinstance(bench, SageMakerBench):
        bench.whole()
    bench.answers()
    assert await bench.model.complete(BODY) == COMPLETION
    assert bench.bodies() == [BODY]


async def test_a_failure_is_raised_and_the_request_sent_once(bench: Bench) -> None:
    bench.fails()
    with pytest.raises(ModelFailedError):
        await collect(bench.model)
    with pytest.raises(ModelFailedError):
        await bench.model.complete(BODY)
    assert bench.bodies() == [BODY, BODY]


async def test_a_stream_that_breaks_off_gives_what_came_and_fails(bench: Bench) -> None:
    bench.breaks_off()
    async with aclosing(bench.model.stream(BODY)) as chunks:
        assert await anext(chunks) == CHUNKS[0]
        with pytest.raises(StreamBrokenError):
            await anext(chunks)
    assert bench.bodies() == [BODY]


async def test_closing_a_stream_early_is_no_failure(bench: Bench) -> None:
    bench.never_goes_on()
    async with aclosing(bench.model.stream(BODY)) as chunks:
        assert await anext(chunks) == CHUNKS[0]
    assert bench.bodies() == [BODY]


async def test_every_failure_is_one_that_clients_may_see(bench: Bench) -> None:
    bench.breaks_off()
    with pytest.raises(ApiError) as caught:
        await collect(bench.model)
    assert caught.value.body()["error"]["message"] == "The model's answer broke off before it was complete."
