"""Assesses the three deployment types for a workload and names the cheapest that meets it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from twin.capacity.fleet import Fleet, Platform
from twin.capacity.workload import Workload
from twin.catalog import price

DeploymentType = Literal["realtime", "asynchronous", "batch"]
Setting = int | str

COLD_START_SECONDS = 525
"""From no instance to the first answer: an 8 B model on ml.g6.2xlarge, image not cached (AWS, 2026-06-17)."""

STREAM_LIMIT_SECONDS = 480
WHOLE_ANSWER_LIMIT_SECONDS = 60
"""SageMaker's limits on a realtime answer, streamed and not."""

ASYNCHRONOUS_OVERHEAD_SECONDS = 5
"""Queue, notification and a client that asks every few seconds."""

ANSWER_LIMIT_SECONDS = 3600
"""SageMaker's limit on an answer that nobody is connected for."""

MOST_INSTANCES = 100
"""As many copies or instances as the settings take for a deployment type."""

MOST_LINES = 50_000
"""Lines of a batch."""

SCALE_IN_HOURS = 0.25
"""An idle instance is kept for 15 minutes of quiet before it goes."""

QUEUE_LIMIT_SECONDS = 21_600
BATCH_WINDOW_SECONDS = 86_400
BATCH_START_SECONDS = 600
"""Instances, image and weights of a transform job, which starts from nothing each time."""

DAYS_PER_MONTH = 30.4


@dataclass(frozen=True, slots=True)
class Assessment:
    """One deployment type: `misses` is empty where it meets the workload.

    `wait_seconds` is how long a client waits for a whole answer, at worst; `usd_per_month` is None where
    the price of the instance type is not known.
    """

    type: DeploymentType
    instance_type: str
    instances: int
    wait_seconds: float
    usd_per_month: float | None
    price_estimated: bool
    reasons: tuple[str, ...]
    misses: tuple[str, ...]
    settings: Mapping[str, Setting]

    @property
    def fits(self) -> bool:
        return not self.misses


@dataclass(frozen=True, slots=True)
class Advice:
    """`best` is None where no deployment type meets the workload."""

    workload: Workload
    assessments: tuple[Assessment, ...]

    @property
    def best(self) -> Assessment | None:
        fitting = [one for one in self.assessments if one.fits]
        return min(fitting, key=_cost, default=None)


def advise(workload: Workload, platform: Platform) -> Advice:
    """Assess every deployment type."""
    types = (_realtime, _asynchronous, _batch)
    return Advice(workload, tuple(assess(workload, platform) for assess in types))


def _cost(assessment: Assessment) -> float:
    return math.inf if assessment.usd_per_month is None else assessment.usd_per_month


def _realtime(workload: Workload, platform: Platform) -> Assessment:
    fleet = platform.realtime
    speed = platform.throughput(fleet, workload)
    seconds = speed.seconds_per_request
    busy = math.ceil(workload.requests_per_second / speed.requests_per_second)
    instances = math.ceil(busy / fleet.copies)
    limit = STREAM_LIMIT_SECONDS if workload.streaming else WHOLE_ANSWER_LIMIT_SECONDS
    misses = [
        *_too_long(workload, platform),
        *_too_many(busy, "realtime.copies.max"),
        *_too_slow(seconds, workload),
    ]
    if seconds > limit:
        misses.append(
            f"an answer takes {seconds:.0f} s; SageMaker ends it after {limit} s "
            f"({'streamed' if workload.streaming else 'not streamed'})"
        )
    return _assessment(
        "realtime",
        fleet,
        instances=instances,
        hours_per_day=instances * workload.busy_hours + 24 - workload.busy_hours,
        wait=seconds,
        reasons=(
            "streams the answer as it is written" if workload.streaming else "answers in the same request",
            (
                f"{_count(busy, 'copy', 'copies')} at {fleet.concurrency} requests each while busy; "
                "one stays up, since at zero it refuses requests instead of queueing them"
            ),
        ),
        misses=misses,
        settings={
            "realtime.copies.min": 1,
            "realtime.copies.max": min(2 * busy, MOST_INSTANCES),
            "realtime.target_concurrency_per_copy": fleet.concurrency,
            **({"api.model_timeout_seconds": limit} if seconds > platform.model_timeout_seconds else {}),
        },
    )


def _asynchronous(workload: Workload, platform: Platform) -> Assessment:
    fleet = platform.asynchronous
    speed = platform.throughput(fleet, workload)
    busy = math.ceil(workload.requests_per_second / speed.requests_per_second)
    # One round of answers is waited for in the queue: the backlog is held at twice what is in work.
    warm = 2 * speed.seconds_per_request + ASYNCHRONOUS_OVERHEAD_SECONDS
    wakes = workload.max_wait_seconds >= COLD_START_SECONDS + warm
    always = 0 if wakes else 1
    idle_hours = 24 - workload.busy_hours
    hours = busy * workload.busy_hours + (
        always * idle_hours if always else busy * min(SCALE_IN_HOURS, idle_hours)
    )
    wait = warm + (COLD_START_SECONDS if wakes else 0)
    kept = "scales to zero when its queue is empty" if wakes else "one stays up"
    return _assessment(
        "asynchronous",
        fleet,
        instances=busy,
        hours_per_day=hours,
        wait=wait,
        reasons=(
            "a queue holds what comes in a spike; nothing is refused, and a lost client loses no answer",
            f"{_count(busy, 'instance')} at {fleet.concurrency} requests each while busy; {kept}",
        ),
        misses=[
            *_no_stream(workload),
            *_too_long(workload, platform),
            *_too_many(busy, "asynchronous.instances.max"),
            *_ended(speed.seconds_per_request),
            *_too_slow(wait, workload),
        ],
        settings={
            "asynchronous.instances.min": always,
            "asynchronous.instances.max": min(2 * busy, MOST_INSTANCES),
            "asynchronous.target_backlog_per_instance": 2 * fleet.concurrency,
            "asynchronous.max_concurrent_invocations_per_instance": fleet.concurrency,
            "asynchronous.request_ttl_seconds": int(
                min(QUEUE_LIMIT_SECONDS, max(60, workload.max_wait_seconds))
            ),
        },
    )


def _batch(workload: Workload, platform: Platform) -> Assessment:
    fleet = platform.batch
    speed = platform.throughput(fleet, workload)
    work = workload.requests_per_day / speed.requests_per_second
    window = min(workload.max_wait_seconds, BATCH_WINDOW_SECONDS) - BATCH_START_SECONDS
    instances = math.ceil(work / window) if window > 0 else 1
    wait = BATCH_START_SECONDS + work / instances
    hours = (work + instances * BATCH_START_SECONDS) / 3600
    files = math.ceil(workload.requests_per_day / MOST_LINES)
    misses = list(_no_stream(workload))
    if not workload.known_upfront:
        misses.append("takes a file of requests; these come one by one")
    misses += [
        *_too_long(workload, platform),
        *_too_many(instances, "batch.instances"),
        *_ended(speed.seconds_per_request),
        *_too_slow(wait, workload),
    ]
    return _assessment(
        "batch",
        fleet,
        instances=instances,
        hours_per_day=hours,
        wait=wait,
        reasons=(
            "pays only while it works: nothing stays up, nothing scales",
            (
                f"{_count(instances, 'instance')} at {fleet.concurrency} requests each "
                f"for {work / instances / 3600:.1f} h a day"
            ),
            *([f"{files} files a day: a batch takes {MOST_LINES:,} lines"] if files > 1 else []),
        ),
        misses=misses,
        settings={
            "batch.instances": instances,
            "batch.concurrent_requests_per_instance": fleet.concurrency,
        },
    )


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _too_slow(wait: float, workload: Workload) -> list[str]:
    if wait <= workload.max_wait_seconds:
        return []
    return [f"a client may wait {wait:.0f} s; at most {workload.max_wait_seconds:g} s are accepted"]


def _too_long(workload: Workload, platform: Platform) -> list[str]:
    tokens = workload.input_tokens + workload.output_tokens
    found = []
    if tokens > platform.max_model_len:
        limit = platform.max_model_len
        found.append(f"prompt and answer take {tokens:,} tokens; model.max_model_len is {limit:,}")
    if workload.output_tokens > platform.max_output_tokens:
        limit = platform.max_output_tokens
        found.append(f"an answer takes {workload.output_tokens:,} tokens; api.max_output_tokens is {limit:,}")
    return found


def _too_many(instances: int, key: str) -> list[str]:
    if instances <= MOST_INSTANCES:
        return []
    return [f"needs {instances:,} while busy; {key} is at most {MOST_INSTANCES}"]


def _ended(seconds: float) -> list[str]:
    if seconds <= ANSWER_LIMIT_SECONDS:
        return []
    return [f"an answer takes {seconds:.0f} s; SageMaker ends it after {ANSWER_LIMIT_SECONDS} s"]


def _no_stream(workload: Workload) -> list[str]:
    return ["does not stream: the answer comes as a whole"] if workload.streaming else []


def _assessment(
    type_: DeploymentType,
    fleet: Fleet,
    *,
    instances: int,
    hours_per_day: float,
    wait: float,
    reasons: tuple[str, ...],
    misses: list[str],
    settings: Mapping[str, Setting],
) -> Assessment:
    known = price(fleet.instance.name)
    cost = None if known is None else known.usd_per_hour * hours_per_day * DAYS_PER_MONTH
    return Assessment(
        type_,
        fleet.instance.name,
        instances,
        wait,
        cost,
        known is not None and known.estimated,
        reasons,
        tuple(misses),
        settings,
    )
