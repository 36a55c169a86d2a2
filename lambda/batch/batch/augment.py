"""The Lambda handler of the augmentation: one shard at a time."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools import Logger
from prompting.prompt import Limits
from pydantic import BaseModel, ConfigDict, Field
from retrieval import Encoder

from batch.augmentation import Augmenter, Prompting
from batch.aws import SEARCH_THREADS, connect_jobs, connect_objects, connect_sources
from batch.embeddings import Embeddings
from batch.environment import AugmentEnvironment
from batch.sources import Finder, Rules

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from batch.stores import Jobs, Objects, Sources

RESERVE_SECONDS = 30.0
"""Time before the invocation's end at which work stops."""

MEGABYTE = 1_000_000
"""The transform job's limit counts the longer kind or this one; a line within this one passes both."""

environment = AugmentEnvironment.read()
logger = Logger()

Name = Annotated[str, Field(min_length=1)]


class Event(BaseModel):
    """A payload of the distributed map."""

    model_config = ConfigDict(extra="ignore")

    owner: Name
    batch_id: Name
    shard: int = Field(ge=0)


@cache
def stores() -> tuple[Jobs, Objects, Sources]:
    return (
        connect_jobs(environment.jobs_table_name),
        connect_objects(environment.exchange_bucket_name),
        connect_sources(environment),
    )


@cache
def encoder() -> Encoder:
    return Encoder.load(threads=environment.encoder_threads(len(os.sched_getaffinity(0))))


@cache
def embeddings() -> Embeddings:
    """One for all shards that this process augments."""
    return Embeddings(encoder)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Augment the shard. Running it again changes nothing."""
    asked = Event.model_validate(event)
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    jobs, objects, sources = stores()
    augmenter = Augmenter(
        jobs,
        objects,
        Finder(embeddings(), sources, _rules(), SEARCH_THREADS),
        _prompting(),
        lambda: time.monotonic() > deadline,
    )
    augmented = augmenter.augment(asked.owner, asked.batch_id, asked.shard)
    result = {"shard": asked.shard, "requests": augmented.requests, "errors": augmented.errors}
    logger.info("shard augmented", batch_id=asked.batch_id, skipped=augmented.skipped, result=result)
    return result


def _rules() -> Rules:
    return Rules(
        top_k=environment.retrieval_top_k,
        min_score=environment.retrieval_min_score,
        fallback=environment.retrieval_fallback,
    )


def _prompting() -> Prompting:
    limits = Limits(
        context=environment.max_model_len,
        output=environment.max_output_tokens,
        sources=environment.retrieval_context_tokens,
    )
    return Prompting(environment.persona, limits, environment.max_payload_mib * MEGABYTE)
