"""The Lambda handler of the sweeper, which a schedule calls every minute."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from jobs.aws import SageMakerTransforms, StateMachineExecutions, client, connect
from jobs.batches import Batches
from jobs.environment import SweepEnvironment
from jobs.settle import Settler
from jobs.sweeper import Sweeper
from jobs.telemetry import Telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from jobs.stores import Executions, Stores, Transforms

RESERVE_SECONDS = 20.0
"""Time before the invocation's end at which no further job is begun."""

environment = SweepEnvironment.read()
logger = Logger()
telemetry = Telemetry(environment.twin_environment)


@cache
def stores() -> Stores:
    return connect(environment)


@cache
def executions() -> Executions:
    return StateMachineExecutions(client("stepfunctions"), environment.batch_state_machine_arn)


@cache
def transforms() -> Transforms:
    return SageMakerTransforms(client("sagemaker"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Look at every job that is due."""
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    swept = Sweeper(stores(), Settler(stores(), time.time), _batches(), time.time, _failed).sweep(deadline)
    for record in swept.settled:
        logger.info("job settled", job_id=record["id"], status=record["status"])
        telemetry.job_settled(record, time.time())
    telemetry.count("JobsSwept", swept.looked_at)
    logger.info("swept", jobs=swept.looked_at, failed=swept.failed, complete=swept.complete)


def _batches() -> Batches | None:
    if not environment.batch_state_machine_arn:
        return None
    return Batches(stores(), executions(), transforms(), time.time, environment.twin_environment)


def _failed(job_id: str, error: Exception) -> None:
    logger.error("job failed to be swept", exc_info=error, job_id=job_id)
