"""Messages of a batch, each of which may fail alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from redelivery.backoff import Backoff


class Deliveries(Protocol):
    def postpone(self, receipt: str, seconds: int) -> None:
        """Keep a message that was received out of sight for so long."""
        ...


class SqsDeliveries:
    """Deliveries of a queue in SQS; its client is boto3's."""

    def __init__(self, sqs: Any, queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def postpone(self, receipt: str, seconds: int) -> None:
        self._sqs.change_message_visibility(
            QueueUrl=self._queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
        )


class Messages(BatchProcessor):
    """Logs why a message failed and has it come again soon; after its last try it goes to the dead letters.

    Left alone, it would come again after the queue's visibility timeout, which has to outlast the function.
    """

    def __init__(self, logger: Logger, deliveries: Callable[[], Deliveries], backoff: Backoff) -> None:
        super().__init__(EventType.SQS, raise_on_entire_batch_failure=False)
        self._logger = logger
        self._deliveries = deliveries
        self._backoff = backoff

    def failure_handler(self, record: SQSRecord, exception: Any) -> Any:
        self._logger.error("message failed", exc_info=exception, message_id=record.message_id)
        self._postpone(record)
        return super().failure_handler(record, exception)

    def _postpone(self, record: SQSRecord) -> None:
        receives = int(record.attributes.approximate_receive_count)
        seconds = self._backoff.seconds(receives, random.random())  # noqa: S311 - nothing is kept secret by it
        try:
            self._deliveries().postpone(record.receipt_handle, seconds)
        except Exception as error:
            self._logger.error("message not postponed", exc_info=error, message_id=record.message_id)
