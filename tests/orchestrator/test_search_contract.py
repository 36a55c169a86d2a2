"""What the service may rely on, of the fake retriever and of the one on S3 Vectors alike."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray
from orchestrator.aws.client import AwsClient
from orchestrator.aws.credentials import Credentials
from orchestrator.encoder import BackgroundEncoder, EncoderUnavailableError
from orchestrator.errors import RetrievalUnavailableError
from orchestrator.search import Retriever, S3VectorsRetriever
from prompting.errors import InvalidRequestError

from tests.orchestrator.aws_stub import AwsStub, Reply, error_reply, json_reply
from tests.orchestrator.fakes import PASSAGES, FakeRetriever

if TYPE_CHECKING:
    import httpcore

pytestmark = pytest.mark.anyio

VECTORS = [
    {
        "key": "k/00000",
        "distance": 0.1,
        "metadata": {
            "document_id": "essays/1",
            "text": "Copies are cheap.",
            "title": "On copies",
            "url": "https://ada.example/copies",
            "author": "Ada",
            "kind": "essay",
            "language": "en",
            "source": "essays/1.md",
        },
    },
    {"key": "k/00001", "distance": 0.5, "metadata": {"document_id": "notes/2", "text": "Tokens stream."}},
    {"key": "k/00002", "distance": 0.9, "metadata": {"document_id": "notes/3", "text": "Off topic."}},
]


class FakeEncoder:
    """Encodes a text as its length, and remembers the threads it ran in."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.threads.add(threading.current_thread().name)
        return np.array([[len(text), 0.5] for text in texts], dtype=np.float32)


def s3_vectors(
    pool: httpcore.AsyncConnectionPool, url: str, encoder: BackgroundEncoder, timeout_seconds: float = 5
) -> S3VectorsRetriever:
    client = AwsClient(
        pool,
        base_url=url,
        signing_name="s3vectors",
        region="us-east-1",
        credentials=lambda: Credentials("a", "b"),
        backoff_seconds=0.001,
    )
    return S3VectorsRetriever(
        encoder, client, bucket="vectors", index="corpus", timeout_seconds=timeout_seconds
    )


class Bench(Protocol):
    """A retriever, and the means to make it behave."""

    @property
    def retriever(self) -> Retriever: ...
    def finds(self, count: int) -> None: ...
    def is_down(self) -> None: ...


class FakeBench:
    def __init__(self) -> None:
        self.retriever = FakeRetriever()

    def finds(self, count: int) -> None:
        self.retriever.passages = PASSAGES[:count]

    def is_down(self) -> None:
        self.retriever.failure = RetrievalUnavailableError()


@dataclass
class S3VectorsBench:
    stub: AwsStub
    retriever: S3VectorsRetriever

    def finds(self, count: int) -> None:
        self.stub.script(json_reply({"vectors": VECTORS[:count], "distanceMetric": "cosine"}))

    def is_down(self) -> None:
        self.stub.script(error_reply(503, "ServiceUnavailableException", message="x"))


@pytest.fixture(params=["fake", "s3vectors"])
def bench(
    request: pytest.FixtureRequest, pool: httpcore.AsyncConnectionPool, aws: tuple[AwsStub, str]
) -> Bench:
    if request.param == "fake":
        return FakeBench()
    stub, url = aws
    return S3VectorsBench(stub, s3_vectors(pool, url, BackgroundEncoder(FakeEncoder)))


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_passages_come_with_their_similarity(bench: Bench, count: int) -> None:
    bench.finds(count)
    assert await bench.retriever.search("Why?", 3, None) == list(PASSAGES[:count])


async def test_a_search_that_fails_says_so(bench: Bench) -> None:
    bench.is_down()
    with pytest.raises(RetrievalUnavailableError):
        await bench.retriever.search("Why?", 3, None)


Aws = tuple[AwsStub, str]


@pytest.mark.parametrize("metadata_filter", [None, {"author": {"$eq": "Ada"}}])
async def test_the_index_is_queried(
    pool: httpcore.AsyncConnectionPool, aws: Aws, metadata_filter: dict[str, Any] | None
) -> None:
    stub, url = aws
    stub.script(json_reply({"vectors": []}))
    await s3_vectors(pool, url, BackgroundEncoder(FakeEncoder)).search("Why?", 7, metadata_filter)
    [call] = stub.calls
    assert call.path == "/QueryVectors"
    assert "/s3vectors/aws4_request" in call.headers["authorization"]
    assert call.body == {
        "vectorBucketName": "vectors",
        "indexName": "corpus",
        "topK": 7,
        "queryVector": {"float32": [4.0, 0.5]},
        "returnMetadata": True,
        "returnDistance": True,
    } | ({"filter": metadata_filter} if metadata_filter else {})


@pytest.mark.parametrize(
    "reply",
    [
        Reply([b"<html>"]),
        json_reply({"nothing": 1}),
        json_reply({"vectors": [{"key": "k"}]}),
        json_reply({"vectors": [{"distance": 0.1, "metadata": {"text": "x"}}]}),
        error_reply(404, "NotFoundException", message="arn:x"),
        error_reply(403, "AccessDeniedException", message="arn:x"),
        error_reply(429, "TooManyRequestsException", message="x"),
        error_reply(400, "ValidationException", message="x"),
        Reply([b'{"vectors": null}']),
        Reply([b"{"], cut=True),
        Reply([30.0]),
    ],
)
async def test_whatever_is_wrong_the_sources_are_unavailable(
    pool: httpcore.AsyncConnectionPool, aws: Aws, reply: Reply
) -> None:
    stub, url = aws
    stub.script(reply)
    retriever = s3_vectors(pool, url, BackgroundEncoder(FakeEncoder), timeout_seconds=0.3)
    async with asyncio.timeout(10):
        with pytest.raises(RetrievalUnavailableError):
            await retriever.search("Why?", 3, None)


async def test_a_filter_that_the_index_refuses_is_the_clients_mistake(
    pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    stub, url = aws
    stub.script(error_reply(400, "ValidationException", message="Invalid filter for arn:x"))
    with pytest.raises(InvalidRequestError) as caught:
        await s3_vectors(pool, url, BackgroundEncoder(FakeEncoder)).search("Why?", 3, {"author": "Ada"})
    assert caught.value.message == "The filter was not accepted by the index of sources."
    assert caught.value.param == "retrieval.filter"


async def test_the_encoder_runs_beside_the_event_loop() -> None:
    fake = FakeEncoder()
    encoder = BackgroundEncoder(lambda: fake)
    assert await encoder.encode("four") == [4.0, 0.5]
    assert fake.threads == {"encoder_0"}
    encoder.close()


async def test_the_first_text_waits_for_the_encoder() -> None:
    loaded = threading.Event()

    def load() -> FakeEncoder:
        loaded.wait(0.05)
        return FakeEncoder()

    encoder = BackgroundEncoder(load)
    encoder.start()
    assert not encoder.failed
    assert await encoder.encode("four") == [4.0, 0.5]


async def test_an_encoder_that_does_not_load_is_tried_again() -> None:
    failures: list[Exception] = [OSError("no file"), ImportError("no layer")]

    def load() -> FakeEncoder:
        if failures:
            raise failures.pop(0)
        return FakeEncoder()

    encoder = BackgroundEncoder(load)
    for cause in (OSError, ImportError):
        with pytest.raises(EncoderUnavailableError) as caught:
            await encoder.encode("four")
        assert isinstance(caught.value.__cause__, cause)
        assert encoder.failed
    assert await encoder.encode("four") == [4.0, 0.5]
    assert not encoder.failed


async def test_without_an_encoder_the_sources_are_unavailable(
    pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    def load() -> FakeEncoder:
        raise OSError

    with pytest.raises(RetrievalUnavailableError):
        await s3_vectors(pool, aws[1], BackgroundEncoder(load)).search("Why?", 3, None)
    assert aws[0].calls == []
