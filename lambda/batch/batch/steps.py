"""The Lambda handler of all steps but the augmentation: a state's payload in, its result out."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aws_lambda_powertools import Logger
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt

from batch.aws import connect_steps
from batch.environment import StepsEnvironment
from batch.finishing import Finisher
from batch.joining import join
from batch.preparation import prepare, seconds_left
from batch.telemetry import count_ended
from batch.validation import Limits, validate

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from batch.stores import Stores

environment = StepsEnvironment.read()
logger = Logger()

Name = Annotated[str, Field(min_length=1)]
Result = dict[str, Any]


class Failure(BaseModel):
    """What Step Functions caught. Its cause is in the log of whoever failed."""

    model_config = ConfigDict(extra="ignore")

    error: str = Field(alias="Error")


class Counts(BaseModel):
    """Lines by result, as the join returned them."""

    total: int
    completed: int
    failed: int


class Event(BaseModel):
    """A state's payload."""

    model_config = ConfigDict(extra="ignore")

    step: Literal["validate", "prepare", "join", "finish"]
    owner: Name
    batch_id: Name
    failure: Failure | None = None
    counts: Counts | None = None
    begun: AwareDatetime | None = Field(default=None, description="When the execution began.")
    transformed_within: PositiveInt | None = Field(
        default=None, description="Seconds from then until the transform job has to have ended."
    )

    @property
    def failed_by(self) -> str | None:
        return self.failure.error if self.failure else None


@cache
def stores() -> Stores:
    return connect_steps(environment)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Result:
    """Run a step. Running it again changes nothing."""
    asked = Event.model_validate(event)
    run = {"validate": _validate, "prepare": _prepare, "join": _join, "finish": _finish}[asked.step]
    result = run(asked, int(time.time()))
    logger.info(
        "step ended", step=asked.step, batch_id=asked.batch_id, failure=asked.failed_by, result=result
    )
    return result


def _validate(event: Event, now: int) -> Result:
    limits = Limits(
        model=environment.model_id,
        max_lines=environment.max_lines,
        lines_per_shard=environment.lines_per_shard,
        instances=environment.transform_instances,
    )
    validated = validate(stores(), limits, event.owner, event.batch_id, now)
    if validated.ended is not None:
        count_ended(environment, validated.ended)
    shards = [{"shard": shard} for shard in range(validated.shards)]
    return {"valid": validated.valid, "shards": shards, "total": validated.total}


def _prepare(event: Event, now: int) -> Result:
    if event.begun is None or event.transformed_within is None:
        raise ValueError("prepare needs 'begun' and 'transformed_within'")
    seconds = seconds_left(event.begun.timestamp(), event.transformed_within, now)
    return {"transform": prepare(stores(), event.owner, event.batch_id), "seconds": seconds}


def _join(event: Event, now: int) -> Result:
    joined = join(stores(), event.owner, event.batch_id, event.failed_by, now)
    return {"counts": joined.counts(), "output": joined.completed > 0, "errors": joined.failed > 0}


def _finish(event: Event, now: int) -> Result:
    finisher = Finisher(stores(), environment.job_retention_days, now)
    counts = event.counts.model_dump() if event.counts else None
    finished = finisher.finish(event.owner, event.batch_id, event.failed_by, counts)
    if finished.record is None:
        return {"status": None}
    if finished.ended:
        count_ended(environment, finished.record)
    return {"status": finished.record["status"]}
