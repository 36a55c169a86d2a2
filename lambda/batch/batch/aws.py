"""The stores on AWS, beside the objects: `batch.s3` has these."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from jobtable import records
from retrieval import Passage

from batch.s3 import S3Objects
from batch.stores import FilterRefusedError, SearchUnavailableError, Stores

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jobtable.records import Record

    from batch.environment import AugmentEnvironment, StepsEnvironment

CLIENT_CONFIG = Config(
    connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 8}
)
"""Throttled and failed calls are repeated for up to about a minute before the step is retried."""

SEARCH_THREADS = 8
"""Searches at once, and connections for them."""

SEARCH_CONFIG = Config(
    connect_timeout=2,
    read_timeout=10,
    max_pool_connections=SEARCH_THREADS,
    retries={"mode": "adaptive", "total_max_attempts": 6},
)
"""Throttling slows all searches of the function down, as many shards search the index at once. A search that
keeps failing must not take the time of the shard's other lines."""


def connect_steps(environment: StepsEnvironment) -> Stores:
    """Return the stores that the environment names."""
    return Stores(
        connect_objects(environment.exchange_bucket_name),
        connect_jobs(environment.jobs_table_name),
        SqsWebhooks(boto3.client("sqs", config=CLIENT_CONFIG), environment.webhook_queue_url),
    )


def connect_objects(bucket: str) -> S3Objects:
    return S3Objects(boto3.client("s3", config=CLIENT_CONFIG), bucket)


def connect_jobs(table: str) -> DynamoJobs:
    return DynamoJobs(boto3.client("dynamodb", config=CLIENT_CONFIG), table)


def connect_sources(environment: AugmentEnvironment) -> S3VectorsSources:
    return S3VectorsSources(
        boto3.client("s3vectors", config=SEARCH_CONFIG),
        environment.vector_bucket_name,
        environment.vector_index_name,
    )


class DynamoJobs:
    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, owner: str, record_id: str) -> Record | None:
        item = self._dynamodb.get_item(**records.get(self._table, owner, record_id)).get("Item")
        return records.from_item(item) if item else None

    def change(
        self, record: Mapping[str, Any], *, allowed: Collection[str], fields: Mapping[str, Any]
    ) -> Record | None:
        owner, record_id = record["owner"], record["id"]
        return self._update(records.change(self._table, owner, record_id, allowed=allowed, fields=fields))

    def end(
        self, record: Mapping[str, Any], *, allowed: Collection[str], fields: Mapping[str, Any], now: int
    ) -> Record | None:
        return self._update(records.end(self._table, record, allowed=allowed, fields=fields, now=now))

    def notified(self, record: Mapping[str, Any], now: int) -> None:
        self._update(records.notified(self._table, record["owner"], record["id"], now))

    def put_new(self, record: Mapping[str, Any]) -> None:
        try:
            self._dynamodb.put_item(**records.put_new(self._table, record))
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise

    def _update(self, request: dict[str, Any]) -> Record | None:
        """Carry out the request; return None when its condition does not hold."""
        try:
            return records.from_item(self._dynamodb.update_item(**request)["Attributes"])
        except ClientError as error:
            if _code(error) == "ConditionalCheckFailedException":
                return None
            raise


class SqsWebhooks:
    def __init__(self, sqs: Any, queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, event: Mapping[str, Any]) -> None:
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)


class S3VectorsSources:
    """An S3 Vectors index of cosine distances."""

    def __init__(self, s3vectors: Any, bucket: str, index: str) -> None:
        self._s3vectors = s3vectors
        self._index = {"vectorBucketName": bucket, "indexName": index}

    def search(
        self, vector: Sequence[float], top_k: int, metadata_filter: Mapping[str, Any] | None
    ) -> list[Passage]:
        query: dict[str, Any] = {
            **self._index,
            "topK": top_k,
            "queryVector": {"float32": list(vector)},
            "returnMetadata": True,
            "returnDistance": True,
        }
        if metadata_filter is not None:
            query["filter"] = metadata_filter
        try:
            answer = self._s3vectors.query_vectors(**query)
            return [
                Passage.from_metadata(found["metadata"], round(1 - found["distance"], 6))
                for found in answer["vectors"]
            ]
        except ClientError as error:
            if _code(error) == "ValidationException" and metadata_filter is not None:
                raise FilterRefusedError from error
            raise SearchUnavailableError from error
        except (BotoCoreError, KeyError, TypeError) as error:
            raise SearchUnavailableError from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
