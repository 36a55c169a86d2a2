"""The stores on AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ingestion.state import state_key
from ingestion.stores import ObjectHead, StateConflictError, StoredState, Stores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingestion.environment import Environment
    from ingestion.stores import VectorRecord

ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
CHANGED = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})

CLIENT_CONFIG = Config(
    connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 8}
)
"""Throttled and failed calls are repeated for up to about a minute before the message is retried."""


def connect(environment: Environment) -> Stores:
    """Return the stores that the environment names."""
    s3 = client("s3")
    return Stores(
        S3Corpus(s3, environment.corpus_bucket_name),
        S3States(s3, environment.exchange_bucket_name),
        S3Vectors(
            client("s3vectors"),
            environment.vector_bucket_name,
            environment.vector_index_name,
        ),
        SqsDeadLetters(client("sqs"), environment.dead_letter_queue_url),
    )


def client(service: str) -> Any:
    """A client of the service that gives up within some minutes."""
    make: Any = boto3.client
    return make(service, config=CLIENT_CONFIG)


class S3Corpus:
    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def head(self, key: str) -> ObjectHead | None:
        try:
            answer = self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) in ABSENT:
                return None
            raise
        return ObjectHead(answer["ETag"], answer["ContentLength"], answer["Metadata"])

    def body(self, key: str, etag: str) -> bytes | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key, IfMatch=etag)
        except ClientError as error:
            if _code(error) in ABSENT | CHANGED:
                return None
            raise
        content: bytes = answer["Body"].read()
        return content


class S3States:
    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str) -> StoredState | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=state_key(key))
        except ClientError as error:
            if _code(error) in ABSENT:
                return None
            raise
        return StoredState(answer["Body"].read().decode("utf-8"), answer["ETag"])

    def write(self, key: str, content: str, expected: str | None) -> str:
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        try:
            answer = self._s3.put_object(
                Bucket=self._bucket,
                Key=state_key(key),
                Body=content.encode("utf-8"),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if _code(error) in ABSENT | CHANGED:
                raise StateConflictError(key) from error
            raise
        etag: str = answer["ETag"]
        return etag


class S3Vectors:
    def __init__(self, s3vectors: Any, bucket: str, index: str) -> None:
        self._s3vectors = s3vectors
        self._index = {"vectorBucketName": bucket, "indexName": index}

    def put(self, records: Sequence[VectorRecord]) -> None:
        vectors = [
            {"key": each.key, "data": {"float32": list(each.data)}, "metadata": dict(each.metadata)}
            for each in records
        ]
        self._s3vectors.put_vectors(**self._index, vectors=vectors)

    def delete(self, keys: Sequence[str]) -> None:
        self._s3vectors.delete_vectors(**self._index, keys=list(keys))


class SqsDeadLetters:
    def __init__(self, sqs: Any, queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps(message, ensure_ascii=False)
        self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
