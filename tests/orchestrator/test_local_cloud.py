"""The real adapters against the local cloud's S3 Vectors and SageMaker runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import urllib3
from orchestrator.aws.client import AwsClient, connection_pool
from orchestrator.aws.credentials import Credentials
from orchestrator.chat import Adapters
from orchestrator.encoder import BackgroundEncoder
from orchestrator.model import SageMakerModel
from orchestrator.pacing import Pace
from orchestrator.search import S3VectorsRetriever
from orchestrator.service import create_app

from tests.local_services.conftest import Cloud, create_endpoint, route_by_signature, served
from tests.orchestrator.fake_jobs import FakeJobs
from tests.orchestrator.fakes import MODEL, FakeTelemetry, FakeTracing, environment
from tests.orchestrator.test_chat_completions import events
from twin.local.services import ModelOptions, Services
from twin.local.services.runtime import RuntimeOptions
from twin.local.services.sagemaker import AnyRole

pytestmark = pytest.mark.anyio

TEXT = "Größere copies are started when äöü 🦊 requests wait for the model."
DOCUMENTS = [
    (
        [1.0, 0.0],
        {"document_id": "a", "author": "Ada", "kind": "essay", "text": TEXT, "title": "<Copies>"},
    ),
    (
        [0.8, 0.6],
        {"document_id": "b", "author": "Bob", "kind": "post", "text": "Off topic altogether, this."},
    ),
    ([0.0, 1.0], {"document_id": "c", "author": "Ada", "kind": "post", "text": "Nothing of the kind here."}),
]


class Compass:
    """Encodes every text as the first axis."""

    def encode(self, texts: Any) -> Any:
        return np.array([[1.0, 0.0] for _ in texts], dtype=np.float32)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An endpoint whose stream is cut inside characters, and an index of three documents."""
    state: Path = tmp_path_factory.mktemp("cloud") / "state"
    model = ModelOptions.parse("extractive", time_to_first_token_ms=0, inter_token_latency_ms=0)
    services = Services(state, model, runtime_options=RuntimeOptions(payload_split="cut"), roles=AnyRole())
    with served(route_by_signature(services)) as url:
        cloud = Cloud(services, url)
        create_endpoint(cloud.client("sagemaker"))
        vectors = cloud.client("s3vectors")
        index = {"vectorBucketName": "vectors", "indexName": "corpus"}
        vectors.create_vector_bucket(vectorBucketName="vectors")
        vectors.create_index(
            **index,
            dataType="float32",
            dimension=2,
            distanceMetric="cosine",
            metadataConfiguration={"nonFilterableMetadataKeys": ["text", "title", "url"]},
        )
        vectors.put_vectors(
            **index,
            vectors=[
                {"key": str(number), "data": {"float32": vector}, "metadata": metadata}
                for number, (vector, metadata) in enumerate(DOCUMENTS)
            ],
        )
        yield cloud


@dataclass(frozen=True)
class Service:
    """The application around the real adapters."""

    http: httpx.AsyncClient
    cloud: Cloud

    async def chat(self, question: str = "When are copies started?", **fields: Any) -> httpx.Response:
        body = {"model": MODEL, "messages": [{"role": "user", "content": question}], **fields}
        return await self.http.post("/v1/chat/completions", json=body)

    def order(self, kind: str, **order: Any) -> None:
        answer = urllib3.request("POST", f"{self.cloud.url}/_local/faults", json={"kind": kind, **order})
        assert answer.status == 200, answer.data


@asynccontextmanager
async def running(cloud: Cloud, **changes: str) -> AsyncIterator[Service]:
    settings = environment(VECTOR_INDEX_NAME="corpus", **changes)
    async with connection_pool(tls=False) as pool:

        def client(signing_name: str) -> AwsClient:
            return AwsClient(
                pool,
                base_url=cloud.url,
                signing_name=signing_name,
                region="us-east-1",
                credentials=lambda: Credentials("test", "test"),
                backoff_seconds=0.001,
            )

        app = create_app(
            settings,
            Adapters(
                SageMakerModel(client("sagemaker"), endpoint_name="ep", inference_component_name="ic"),
                S3VectorsRetriever(
                    BackgroundEncoder(Compass),
                    client("s3vectors"),
                    bucket=settings.vector_bucket_name,
                    index=settings.vector_index_name,
                ),
                FakeTelemetry(),
                FakeTracing(),
                FakeJobs().adapters,
            ),
            pace=Pace(total=5, first_token=0.5, between_tokens=0.5),
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://twin", timeout=30) as http:
            yield Service(http, cloud)


@pytest.fixture
def without_faults(cloud: Cloud) -> Iterator[Cloud]:
    yield cloud
    urllib3.request("DELETE", f"{cloud.url}/_local/faults")


@pytest.fixture
async def service(without_faults: Cloud) -> AsyncIterator[Service]:
    async with running(without_faults) as one:
        yield one


async def test_the_answer_quotes_its_source(service: Service) -> None:
    answer = (await service.chat()).json()
    assert answer["choices"][0]["message"]["content"] == f"The sources say: {TEXT} [1]"
    assert [(result["document_id"], result["title"]) for result in answer["search_results"]] == [
        ("a", "<Copies>"),
        ("b", None),
    ]
    assert [result["score"] for result in answer["search_results"]] == pytest.approx([1.0, 0.8], abs=1e-4)
    assert answer["citations"] == ["a", "b"]


async def test_the_stream_is_the_answer(service: Service) -> None:
    *chunks, usage, done = events(
        (await service.chat(stream=True, stream_options={"include_usage": True})).text
    )
    text = "".join(choice["delta"].get("content") or "" for each in chunks for choice in each["choices"])
    assert text == f"The sources say: {TEXT} [1]"
    assert chunks[0]["grounded"] is True
    assert usage["usage"]["completion_tokens"] > 5
    assert done == "[DONE]"


@pytest.mark.parametrize(
    ("metadata_filter", "found"),
    [
        ({"author": "Ada"}, ["a"]),
        ({"author": {"$ne": "Ada"}}, ["b"]),
        ({"kind": {"$in": ["post"]}, "author": "Bob"}, ["b"]),
        ({"$or": [{"kind": "essay"}, {"kind": "post"}]}, ["a", "b"]),
        ({"author": "Nobody"}, []),
    ],
)
async def test_filters_narrow_the_sources(
    service: Service, metadata_filter: dict[str, Any], found: list[str]
) -> None:
    answer = (await service.chat(retrieval={"filter": metadata_filter})).json()
    assert [result["document_id"] for result in answer["search_results"]] == found
    assert answer["grounded"] is bool(found)


TOO_LONG = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "model_error"}, 502, "model_error"),
        ({"kind": "model_error", "status": 400, "message": TOO_LONG}, 400, "context_length_exceeded"),
        ({"kind": "throttle", "times": 2}, 429, "rate_limit_exceeded"),
        ({"kind": "not_ready"}, 503, "no_capacity"),
        ({"kind": "service_unavailable"}, 503, "model_unavailable"),
        ({"kind": "internal_failure"}, 502, "model_error"),
    ],
)
async def test_a_failing_endpoint_is_explained(
    service: Service, fault: dict[str, Any], status: int, code: str, stream: bool
) -> None:
    service.order(**fault)
    response = await service.chat(stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert "arn:" not in response.text
    assert (await service.chat()).status_code == 200, "the fault was used up by one request"


async def test_a_request_throttled_once_is_answered(service: Service) -> None:
    service.order("throttle")
    assert (await service.chat()).status_code == 200


async def test_a_model_that_stalls_is_too_slow(service: Service) -> None:
    service.order("stall", seconds=20)
    response = await service.chat(stream=True)
    assert (response.status_code, response.json()["error"]["code"]) == (504, "model_timeout")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "break_stream", "after_parts": 3}, "stream_broken"),
        (
            {"kind": "break_stream", "after_parts": 3, "error_code": "ModelInvocationTimeExceeded"},
            "model_timeout",
        ),
        (
            {"kind": "break_stream", "after_parts": 3, "error": "InternalStreamFailure"},
            "stream_broken",
        ),
        ({"kind": "disconnect_stream", "after_parts": 3}, "stream_broken"),
        ({"kind": "stall_stream", "after_parts": 3, "seconds": 20}, "model_timeout"),
    ],
)
async def test_a_stream_that_breaks_ends_with_an_error(
    service: Service, fault: dict[str, Any], code: str
) -> None:
    service.order(**fault)
    first, *_, error = events((await service.chat(stream=True)).text)
    assert first["grounded"] is True
    assert error["error"]["code"] == code


@pytest.mark.parametrize("stream", [False, True])
async def test_no_copies_is_no_capacity(service: Service, stream: bool) -> None:
    await scale(service.cloud, 0)
    try:
        response = await service.chat(stream=stream)
    finally:
        await scale(service.cloud, 1)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_capacity")
    assert response.headers["retry-after"] == "60"
    assert "scaled to zero" in response.json()["error"]["message"]


async def scale(cloud: Cloud, copies: int) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="ic", DesiredRuntimeConfig={"CopyCount": copies}
    )
    async with asyncio.timeout(20):
        while True:
            described = sagemaker.describe_inference_component(InferenceComponentName="ic")
            settled = described["InferenceComponentStatus"] == "InService"
            if settled and described["RuntimeConfig"]["CurrentCopyCount"] == copies:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("fallback", "status"), [("fail", 503), ("ungrounded", 200)])
async def test_an_index_that_is_gone(cloud: Cloud, fallback: str, status: int) -> None:
    async with running(cloud, VECTOR_BUCKET_NAME="gone-vectors", RETRIEVAL_FALLBACK=fallback) as service:
        response = await service.chat()
    assert response.status_code == status
    if status == 200:
        assert response.json()["grounded"] is False
    else:
        assert response.json()["error"]["code"] == "retrieval_unavailable"
