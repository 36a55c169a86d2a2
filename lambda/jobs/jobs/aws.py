"""The stores on AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from jobtable import records
from jobtable.states import OPEN

from jobs.stores import Due, Stores

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jobtable.events import Event
    from jobtable.records import Kind, Record

    from jobs.environment import SettlingEnvironment

ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
NOT_RUNNING = frozenset({"ResourceNotFound", "ValidationException"})
"""What SageMaker answers of transform jobs that do not exist or have ended; names here are always valid."""

EMPTY = "InvalidRange"
"""What S3 answers to a range of an object without content."""

CLIENT_CONFIG = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
)
"""A call that hangs or fails is repeated, and given up well within an invocation: the message, or the next
sweep, comes again."""

PAGE = 100


def connect(environment: SettlingEnvironment) -> Stores:
    """Return the stores that the environment names."""
    return Stores(
        DynamoJobs(client("dynamodb"), environment.jobs_table_name),
        S3Objects(client("s3"), environment.exchange_bucket_name),
        SqsEvents(client("sqs"), environment.webhook_queue_url),
    )


def client(service: str) -> Any:
    """A client of the service that gives up within about 20 seconds."""
    make: Any = boto3.client
    return make(service, config=CLIENT_CONFIG)


class DynamoJobs:
    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def get(self, owner: str, job_id: str) -> Record | None:
        item = self._dynamodb.get_item(**records.get(self._table, owner, job_id)).get("Item")
        return records.from_item(item) if item else None

    def end(
        self, record: Record, fields: Mapping[str, Any], now: int, *, allowed: Collection[str]
    ) -> Record | None:
        return self._update(records.end(self._table, record, allowed=allowed, fields=fields, now=now))

    def notified(self, record: Record, now: int) -> bool:
        request = records.notified(self._table, record["owner"], record["id"], now)
        return self._update(request) is not None

    def defer(self, record: Record, due_at: int) -> bool:
        owner, job_id = record["owner"], record["id"]
        request = records.change(self._table, owner, job_id, allowed=OPEN, fields={"due_at": due_at})
        return self._update(request) is not None

    def due(self, kind: Kind, now: int, start: Any = None) -> Due:
        answer = self._dynamodb.query(**records.due(self._table, kind, now, limit=PAGE, start=start))
        found = [(item["owner"]["S"], item["id"]["S"]) for item in answer["Items"]]
        return Due(found, answer.get("LastEvaluatedKey"))

    def _update(self, request: records.Request) -> Record | None:
        """The record after the change, None when its condition did not hold."""
        try:
            answer = self._dynamodb.update_item(**request)
        except ClientError as error:
            if _code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return records.from_item(answer["Attributes"])


class S3Objects:
    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str, limit: int) -> bytes | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=0-{limit - 1}")
        except ClientError as error:
            if _code(error) in ABSENT:
                return None
            if _code(error) == EMPTY:
                return b""
            raise
        content: bytes = answer["Body"].read()
        return content

    def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            self._s3.delete_object(Bucket=self._bucket, Key=key)


class SqsEvents:
    def __init__(self, sqs: Any, queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def send(self, event: Event) -> None:
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)


class StateMachineExecutions:
    def __init__(self, states: Any, arn: str) -> None:
        self._states = states
        self._arn = arn

    def status(self, name: str) -> str | None:
        execution = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            answer = self._states.describe_execution(executionArn=execution)
        except ClientError as error:
            if _code(error) == "ExecutionDoesNotExist":
                return None
            raise
        status: str = answer["status"]
        return status

    def start(self, name: str, document: Mapping[str, Any]) -> None:
        try:
            self._states.start_execution(stateMachineArn=self._arn, name=name, input=json.dumps(document))
        except ClientError as error:
            if _code(error) != "ExecutionAlreadyExists":
                raise


class SageMakerTransforms:
    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker

    def stop(self, name: str) -> bool:
        try:
            self._sagemaker.stop_transform_job(TransformJobName=name)
        except ClientError as error:
            if _code(error) in NOT_RUNNING:
                return False
            raise
        return True


class SecretsManagerSecrets:
    """Secrets as they were when they were first read, or last forgotten."""

    def __init__(self, secretsmanager: Any) -> None:
        self._secretsmanager = secretsmanager
        self._known: dict[str, str] = {}

    def read(self, secret_id: str) -> str:
        if secret_id not in self._known:
            answer = self._secretsmanager.get_secret_value(SecretId=secret_id)
            self._known[secret_id] = answer["SecretString"]
        return self._known[secret_id]

    def forget(self, secret_id: str) -> None:
        self._known.pop(secret_id, None)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
