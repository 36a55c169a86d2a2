"""What holds for the stores on AWS and for the fakes alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from ingestion.aws import S3Corpus, S3States, S3Vectors, SqsDeadLetters
from ingestion.state import STATE_PREFIX
from ingestion.stores import StateConflictError, Stores, VectorRecord
from moto import mock_aws

from stacks.naming import INDEX_STATE_PREFIX
from tests.ingestion.aws_services import vectors_client, vectors_service
from tests.ingestion.fakes import World

KEY = "folder/ä b+c.md"


@dataclass(frozen=True)
class Setup:
    """Stores, and what the corpus' owner and the readers of index and queue do with them."""

    stores: Stores
    upload: Callable[[str, bytes, dict[str, str]], None]
    delete: Callable[[str], None]
    vectors: Callable[[], dict[str, dict[str, str]]]
    messages: Callable[[], list[dict[str, Any]]]


def in_memory() -> Setup:
    world = World()
    return Setup(
        world.stores(),
        world.corpus.put,
        world.corpus.delete,
        lambda: {key: dict(record.metadata) for key, record in world.vectors.records.items()},
        lambda: world.dead_letters.messages,
    )


def on_aws(url: str) -> Setup:
    s3: Any = boto3.client("s3")
    sqs: Any = boto3.client("sqs")
    s3vectors = vectors_client(url)
    for bucket in ("corpus", "exchange"):
        s3.create_bucket(Bucket=bucket)
    queue = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]

    def stored() -> dict[str, dict[str, str]]:
        listed = s3vectors.list_vectors(vectorBucketName="vectors", indexName="corpus", returnMetadata=True)
        return {each["key"]: each["metadata"] for each in listed["vectors"]}

    def received() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(each["Body"]) for each in answer.get("Messages", ())]

    return Setup(
        Stores(
            S3Corpus(s3, "corpus"),
            S3States(s3, "exchange"),
            S3Vectors(s3vectors, "vectors", "corpus"),
            SqsDeadLetters(sqs, queue),
        ),
        lambda key, body, metadata: s3.put_object(Bucket="corpus", Key=key, Body=body, Metadata=metadata),
        lambda key: s3.delete_object(Bucket="corpus", Key=key),
        stored,
        received,
    )


@pytest.fixture(params=["fake", "aws"])
def setup(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    if request.param == "fake":
        yield in_memory()
        return
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with vectors_service(tmp_path) as url, mock_aws(config={"core": {"passthrough": {"urls": [url]}}}):
        yield on_aws(url)


def test_an_absent_object_is_none(setup: Setup) -> None:
    assert setup.stores.corpus.head(KEY) is None
    assert setup.stores.corpus.body(KEY, '"1"') is None


def test_an_object_is_read_as_it_was_uploaded(setup: Setup) -> None:
    setup.upload(KEY, b"words", {"author": "Ada", "sha256": "abc"})
    head = setup.stores.corpus.head(KEY)
    assert head is not None
    assert (head.size, dict(head.metadata)) == (5, {"author": "Ada", "sha256": "abc"})
    assert setup.stores.corpus.body(KEY, head.etag) == b"words"


def test_the_content_of_a_replaced_or_deleted_object_is_none(setup: Setup) -> None:
    setup.upload(KEY, b"old", {})
    old = setup.stores.corpus.head(KEY)
    assert old is not None
    setup.upload(KEY, b"new", {})
    assert setup.stores.corpus.body(KEY, old.etag) is None
    setup.delete(KEY)
    assert setup.stores.corpus.body(KEY, old.etag) is None
    assert setup.stores.corpus.head(KEY) is None


def test_a_state_is_read_as_it_was_written(setup: Setup) -> None:
    states = setup.stores.states
    assert states.read(KEY) is None
    etag = states.write(KEY, '{"é": 1}', None)
    stored = states.read(KEY)
    assert stored is not None
    assert (stored.content, stored.etag) == ('{"é": 1}', etag)


def test_a_state_is_replaced_only_by_who_knows_it(setup: Setup) -> None:
    states = setup.stores.states
    first = states.write(KEY, "1", None)
    second = states.write(KEY, "2", first)
    for expected in (None, first):
        with pytest.raises(StateConflictError):
            states.write(KEY, "3", expected)
    stored = states.read(KEY)
    assert stored is not None
    assert (stored.content, stored.etag) == ("2", second)


def test_a_state_that_is_not_there_cannot_be_replaced(setup: Setup) -> None:
    with pytest.raises(StateConflictError):
        setup.stores.states.write(KEY, "1", '"d41d8cd98f00b204e9800998ecf8427e"')
    assert setup.stores.states.read(KEY) is None


def test_vectors_are_put_replaced_and_deleted(setup: Setup) -> None:
    def record(key: str, text: str) -> VectorRecord:
        return VectorRecord(key, [0.5, 0.25, 0.0, 1.0], {"text": text, "document_id": "d"})

    vectors = setup.stores.vectors
    vectors.put([record("a/00000", "A"), record("a/00001", "B")])
    vectors.put([record("a/00000", "C")])
    assert setup.vectors() == {
        "a/00000": {"text": "C", "document_id": "d"},
        "a/00001": {"text": "B", "document_id": "d"},
    }
    vectors.delete(["a/00001", "never/00000"])
    assert set(setup.vectors()) == {"a/00000"}


def test_dead_letters_arrive(setup: Setup) -> None:
    message = {"object": KEY, "document": None, "line": 2, "reason": "'text' is missing"}
    setup.stores.dead_letters.send(message)
    assert setup.messages() == [message]


def test_states_are_where_the_sync_and_the_permissions_expect_them() -> None:
    assert STATE_PREFIX == INDEX_STATE_PREFIX
