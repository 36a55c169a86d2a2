"""What holds for the stores on AWS and for the fakes alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from batch.aws import DynamoJobs, S3VectorsSources, SqsWebhooks
from batch.s3 import S3Objects
from batch.stores import FilterRefusedError, Objects, SearchUnavailableError, Sources, Stores
from jobtable.records import OPEN_JOBS, Record, put
from moto import mock_aws
from retrieval import Passage

from tests.batch.fakes import FakeSources, FolderObjects, NumberingEncoder
from tests.batch.world import World
from tests.ingestion.aws_services import vectors_client, vectors_service

RECORD: Record = {
    "owner": "ada",
    "id": "batch_" + "0" * 32,
    "status": "validating",
    "created_at": 900,
    "open": "batch",
    "due_at": 960,
    "client": "app",
}
FAILURE = b"failure"
LONG = bytes(range(256)) * 25_000
"""6.4 MB: two parts."""


@dataclass(frozen=True)
class Setup:
    stores: Stores
    create: Callable[[Record], None]
    events: Callable[[], list[dict[str, Any]]]


def in_memory(objects: Objects | None = None) -> Setup:
    world = World(objects=objects) if objects else World()
    return Setup(world.stores(), world.jobs.put, lambda: world.webhooks.events)


def on_aws() -> Setup:
    s3: Any = boto3.client("s3")
    sqs: Any = boto3.client("sqs")
    dynamodb: Any = boto3.client("dynamodb")
    s3.create_bucket(Bucket="exchange")
    queue = sqs.create_queue(QueueName="webhooks")["QueueUrl"]
    types = {"owner": "S", "id": "S", "open": "S", "due_at": "N"}
    dynamodb.create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in types.items()],
        KeySchema=_schema("owner", "id"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": OPEN_JOBS,
                "KeySchema": _schema("open", "due_at"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )

    def received() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(each["Body"]) for each in answer.get("Messages", ())]

    return Setup(
        Stores(S3Objects(s3, "exchange"), DynamoJobs(dynamodb, "jobs"), SqsWebhooks(sqs, queue)),
        lambda record: dynamodb.put_item(**put("jobs", record)),
        received,
    )


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(params=["fake", "folder", "aws"])
def setup(request: pytest.FixtureRequest, tmp_path: Path, region: None) -> Iterator[Setup]:
    if request.param == "fake":
        yield in_memory()
    elif request.param == "folder":
        yield in_memory(FolderObjects(tmp_path))
    else:
        with mock_aws():
            yield on_aws()


def write(objects: Objects, key: str, *pieces: bytes) -> None:
    """Write the pieces, up to one that stands for a failure."""
    with objects.writer(key) as writer:
        for piece in pieces:
            if piece == FAILURE:
                raise ConnectionError
            writer.write(piece)


def read(objects: Objects, key: str) -> bytes | None:
    content = objects.read(key)
    return None if content is None else b"".join(content.chunks())


def test_an_absent_object_is_none(setup: Setup) -> None:
    assert setup.stores.objects.read("a/b") is None
    assert setup.stores.objects.size("a/b") is None
    assert setup.stores.objects.keys("a/") == []
    setup.stores.objects.delete("a/b")


@pytest.mark.parametrize("pieces", [(b"a", b"", "ä\n".encode()), (LONG,), (LONG, LONG, b"end")])
def test_an_object_is_read_as_it_was_written(setup: Setup, pieces: tuple[bytes, ...]) -> None:
    write(setup.stores.objects, "a/b", b"before")
    write(setup.stores.objects, "a/b", *pieces)
    whole = b"".join(pieces)
    assert read(setup.stores.objects, "a/b") == whole
    assert setup.stores.objects.size("a/b") == len(whole)
    content = setup.stores.objects.read("a/b")
    assert content is not None
    assert content.size == len(whole)


def test_an_object_without_a_byte_does_not_exist(setup: Setup) -> None:
    write(setup.stores.objects, "a", b"before")
    write(setup.stores.objects, "a")
    assert setup.stores.objects.size("a") is None
    write(setup.stores.objects, "b", b"")
    assert setup.stores.objects.keys("") == []


@pytest.mark.parametrize("piece", [b"new", LONG])
def test_a_failed_write_leaves_what_was_there(setup: Setup, piece: bytes) -> None:
    write(setup.stores.objects, "a", b"before")
    with pytest.raises(ConnectionError):
        write(setup.stores.objects, "a", piece, FAILURE)
    assert read(setup.stores.objects, "a") == b"before"


def test_keys_are_listed_in_order(setup: Setup) -> None:
    for key in ("a/2", "a/1", "b/1"):
        write(setup.stores.objects, key, b"x")
    assert setup.stores.objects.keys("a/") == ["a/1", "a/2"]
    setup.stores.objects.delete("a/1")
    assert setup.stores.objects.keys("") == ["a/2", "b/1"]


def test_a_record_changes_while_its_status_allows_it(setup: Setup) -> None:
    jobs = setup.stores.jobs
    assert jobs.read("ada", RECORD["id"]) is None
    assert jobs.change(RECORD, allowed={"validating"}, fields={"shards": 2}) is None
    setup.create(RECORD)
    fields = {"status": "in_progress", "request_counts": {"total": 2}, "shards": 2}
    assert jobs.change(RECORD, allowed={"validating"}, fields=fields) == {**RECORD, **fields}
    assert jobs.change(RECORD, allowed={"validating"}, fields={"status": "failed"}) is None
    assert jobs.read("ada", RECORD["id"]) == {**RECORD, **fields}
    assert jobs.read("bob", RECORD["id"]) is None


def test_a_job_ends_and_its_client_is_told(setup: Setup) -> None:
    jobs = setup.stores.jobs
    setup.create(RECORD)
    fields = {"status": "failed", "failed_at": 1_000, "errors": [{"code": "c", "line": None}]}
    ended = jobs.end(RECORD, allowed={"validating"}, fields=fields, now=1_000)
    assert ended == {**RECORD, **fields, "due_at": 1_060}
    assert jobs.end(RECORD, allowed={"validating"}, fields=fields, now=2_000) is None
    jobs.notified(RECORD, 1_001)
    jobs.notified(RECORD, 1_002)
    told = {name: value for name, value in ended.items() if name not in {"open", "due_at"}}
    assert jobs.read("ada", RECORD["id"]) == {**told, "notified_at": 1_001}


def test_a_job_whose_client_is_not_to_be_told_leaves_the_open_ones(setup: Setup) -> None:
    record = {name: value for name, value in RECORD.items() if name != "client"}
    setup.create(record)
    ended = setup.stores.jobs.end(record, allowed={"validating"}, fields={"status": "failed"}, now=1)
    assert ended is not None
    assert {"open", "due_at"}.isdisjoint(ended)


def test_a_record_that_is_there_is_not_replaced(setup: Setup) -> None:
    jobs = setup.stores.jobs
    first = {"owner": "ada", "id": "file-1", "bytes": 1, "created_at": 5, "delete_at": 500}
    jobs.put_new(first)
    jobs.put_new({**first, "bytes": 2, "created_at": 6})
    assert jobs.read("ada", "file-1") == first


def test_events_arrive(setup: Setup) -> None:
    event = {"event_id": "evt_1", "type": "batch.completed", "created_at": 1, "client": "ä", "id": "batch_1"}
    setup.stores.webhooks.send(event)
    assert setup.events() == [event]


METADATA = {"text": "Text of d.", "document_id": "d", "author": "ada"}


@pytest.fixture(params=["fake", "aws"])
def sources(request: pytest.FixtureRequest, tmp_path: Path, region: None) -> Iterator[Sources]:
    """Sources that find the passage `d` for the vector of the number 0."""
    if request.param == "fake":
        encoder = NumberingEncoder()
        encoder.encode(["Why?"])
        yield FakeSources(encoder, {"Why?": [Passage.from_metadata(METADATA, 1.0)]})
        return
    with vectors_service(tmp_path) as url:
        client = vectors_client(url)
        vector = {"key": "a/00000", "data": {"float32": [1.0, 0, 0, 0]}, "metadata": METADATA}
        client.put_vectors(vectorBucketName="vectors", indexName="corpus", vectors=[vector])

        class Padded(S3VectorsSources):
            """Vectors of the index have four numbers."""

            def search(self, vector: Any, top_k: int, metadata_filter: Any) -> list[Passage]:
                return super().search([1.0, *vector, 0.0, 0.0], top_k, metadata_filter)

        yield Padded(client, "vectors", "corpus")


def test_passages_are_found_with_their_similarity(sources: Sources) -> None:
    assert sources.search([0.0], 5, None) == [Passage("d", "Text of d.", 1.0, author="ada")]


def test_a_filter_that_the_index_refuses_is_told_apart(tmp_path: Path, region: None) -> None:
    with vectors_service(tmp_path) as url:
        sources = S3VectorsSources(vectors_client(url), "vectors", "corpus")
        with pytest.raises(FilterRefusedError):
            sources.search([1.0, 0, 0, 0], 5, {"author": {"$like": "a"}})


def test_an_index_that_is_not_there_cannot_be_searched(tmp_path: Path, region: None) -> None:
    with vectors_service(tmp_path) as url:
        gone = S3VectorsSources(vectors_client(url), "vectors", "gone")
        with pytest.raises(SearchUnavailableError):
            gone.search([1.0, 0, 0, 0], 5, None)
