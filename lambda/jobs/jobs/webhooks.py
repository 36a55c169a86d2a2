"""The Lambda handler of webhooks: events from the queue in, undelivered ones out."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import process_partial_response
from redelivery.backoff import Backoff
from redelivery.messages import Messages, SqsDeliveries

from jobs.aws import SecretsManagerSecrets, client
from jobs.delivery import Courier, read
from jobs.environment import WebhooksEnvironment
from jobs.http import TIMEOUT_SECONDS, post
from jobs.telemetry import Telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from redelivery.messages import Deliveries

    from jobs.stores import Secrets

RESERVE_SECONDS = TIMEOUT_SECONDS + 5
"""Time that a delivery may take with all around it; with less left, none is begun."""

BACKOFF = Backoff(first_seconds=15, longest_seconds=3600)

environment = WebhooksEnvironment.read()
logger = Logger()
telemetry = Telemetry(environment.twin_environment)


class OutOfTimeError(Exception):
    """The invocation is about to end; the message comes again."""


@cache
def secrets() -> Secrets:
    return SecretsManagerSecrets(client("secretsmanager"))


@cache
def deliveries() -> Deliveries:
    return SqsDeliveries(client("sqs"), environment.webhook_queue_url)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Deliver every event; return the messages that have to come again."""
    courier = Courier(environment.webhooks, secrets(), post, time.time)
    return process_partial_response(
        event=event,
        record_handler=partial(_deliver, courier, context),
        processor=Messages(logger, deliveries, BACKOFF),
        context=context,
    )


def _deliver(courier: Courier, context: LambdaContext, record: SQSRecord) -> None:
    if context.get_remaining_time_in_millis() / 1000 < RESERVE_SECONDS:
        raise OutOfTimeError("the invocation is about to end")
    event = read(record.body)
    try:
        delivered = courier.deliver(event)
    except Exception:  # whatever kept it from the client, counted and passed on
        telemetry.count("WebhooksFailed")
        raise
    logger.info(
        "event delivered" if delivered else "event dropped: its client has no webhook",
        event_id=event["event_id"],
        event_type=event["type"],
        client=event["client"],
    )
    if delivered:
        telemetry.count("WebhooksDelivered")
