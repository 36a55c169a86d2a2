"""The Lambda handler of outcomes: SageMaker's notifications from the queue in, failed messages out."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import process_partial_response
from redelivery.backoff import Backoff
from redelivery.messages import Messages, SqsDeliveries

from jobs.aws import client, connect
from jobs.environment import OutcomesEnvironment
from jobs.notifications import parse
from jobs.settle import Settler
from jobs.telemetry import Telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from redelivery.messages import Deliveries

    from jobs.stores import Stores

BACKOFF = Backoff(first_seconds=5, longest_seconds=600)
"""Soon for an answer that cannot be read yet, with patience for an outage of the table or the bucket."""

environment = OutcomesEnvironment.read()
logger = Logger()
telemetry = Telemetry(environment.twin_environment)


@cache
def stores() -> Stores:
    return connect(environment)


@cache
def deliveries() -> Deliveries:
    return SqsDeliveries(client("sqs"), environment.outcome_queue_url)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Settle the response of every notification; return the messages that have to come again."""
    return process_partial_response(
        event=event,
        record_handler=_settle,
        processor=Messages(logger, deliveries, BACKOFF),
        context=context,
    )


def _settle(record: SQSRecord) -> None:
    notification = parse(record.body, environment.exchange_bucket_name)
    sent_at = int(record.attributes.sent_timestamp or 0) / 1000
    outcome = Settler(stores(), time.time).notified(notification, sent_at)
    status = outcome.record["status"] if outcome.record else None
    logger.info(
        f"response {outcome.what}",
        response_id=notification.response_id,
        status=status,
        invocation=notification.status,
        reason=notification.reason,
    )
    if outcome.what == "settled" and outcome.record:
        telemetry.job_settled(outcome.record, time.time())
