"""Messages that fail alone, and the queue that keeps them out of sight."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from moto import mock_aws
from redelivery.backoff import Backoff
from redelivery.messages import Messages, SqsDeliveries

from tests.jobs.lambda_events import Context, messages
from tests.redelivery.fakes import FakeDeliveries

BACKOFF = Backoff(first_seconds=10, longest_seconds=100)


def fail_on_bad(record: SQSRecord) -> None:
    if record.body == "bad":
        raise ValueError("bad")


def handle(deliveries: Any, *bodies: str, receives: int = 1) -> dict[str, Any]:
    context: Any = Context()
    return dict(
        process_partial_response(
            event=messages(*bodies, receives=receives),
            record_handler=fail_on_bad,
            processor=Messages(Logger("tests"), lambda: deliveries, BACKOFF),
            context=context,
        )
    )


def test_only_what_failed_is_postponed() -> None:
    deliveries = FakeDeliveries()
    answer = handle(deliveries, "good", "bad", "good", receives=3)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    [(receipt, seconds)] = deliveries.postponed
    assert receipt == "receipt-1"
    assert 30 <= seconds <= 50


def test_a_batch_that_fails_as_a_whole_is_no_failed_invocation() -> None:
    deliveries = FakeDeliveries()
    assert len(handle(deliveries, "bad", "bad")["batchItemFailures"]) == 2
    assert [receipt for receipt, _ in deliveries.postponed] == ["receipt-0", "receipt-1"]


def test_a_message_that_cannot_be_postponed_comes_again_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError("slow down")

    deliveries = FakeDeliveries()
    monkeypatch.setattr(deliveries, "postpone", refuse)
    answer = handle(deliveries, "bad")
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}


def test_a_message_that_was_postponed_is_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        sqs: Any = boto3.client("sqs")
        queue = sqs.create_queue(QueueName="webhooks", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody="event")
        [message] = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=5)["Messages"]
        SqsDeliveries(sqs, queue).postpone(message["ReceiptHandle"], 100)
        hidden = "ApproximateNumberOfMessagesNotVisible"
        counted = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[hidden])
        assert counted["Attributes"][hidden] == "1"
        SqsDeliveries(sqs, queue).postpone(message["ReceiptHandle"], 0)
        assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "event"
