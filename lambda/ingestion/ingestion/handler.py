"""The Lambda handler: S3 events from the queue in, failed messages out."""

from __future__ import annotations

import os
import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import process_partial_response
from redelivery.backoff import Backoff
from redelivery.messages import Messages, SqsDeliveries
from retrieval import Encoder

from ingestion.aws import client, connect
from ingestion.environment import Environment
from ingestion.events import object_keys
from ingestion.index import Indexer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from redelivery.messages import Deliveries

    from ingestion.index import Outcome
    from ingestion.stores import Stores

BACKOFF = Backoff(first_seconds=10, longest_seconds=240)
"""Short enough that whoever waits for a document sees it succeed, or fail, within minutes."""

environment = Environment.read()
logger = Logger()
metrics = Metrics()


@cache
def stores() -> Stores:
    return connect(environment)


@cache
def deliveries() -> Deliveries:
    return SqsDeliveries(client("sqs"), environment.change_queue_url)


@cache
def encoder() -> Encoder:
    return Encoder.load(threads=environment.encoder_threads(len(os.sched_getaffinity(0))))


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Settle every object that the messages name; return the messages that have to come again."""
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000
    indexer = Indexer(stores(), encoder(), time.time, owner=context.aws_request_id)
    return process_partial_response(
        event=event,
        record_handler=partial(_settle, indexer, deadline),
        processor=Messages(logger, deliveries, BACKOFF),
        context=context,
    )


def _settle(indexer: Indexer, deadline: float, record: SQSRecord) -> None:
    for key in object_keys(record.body, environment.corpus_bucket_name):
        started = time.perf_counter()
        outcome = indexer.settle(key, deadline)
        _report(key, outcome, seconds=time.perf_counter() - started)


def _report(key: str, outcome: Outcome, seconds: float) -> None:
    logger.info(
        f"object {outcome.status}",
        object_key=key,
        documents=outcome.documents,
        vectors=outcome.vectors,
        removed=outcome.removed,
        problems=outcome.problems,
        seconds=round(seconds, 3),
    )
    metrics.add_metric("DocumentsIndexed", MetricUnit.Count, outcome.documents)
    metrics.add_metric("VectorsPut", MetricUnit.Count, outcome.vectors)
    metrics.add_metric("DocumentsRemoved", MetricUnit.Count, outcome.removed)
    metrics.add_metric("DocumentsInError", MetricUnit.Count, outcome.problems)
    metrics.add_metric("IndexingTime", MetricUnit.Milliseconds, seconds * 1000)
