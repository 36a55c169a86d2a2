"""The queue of an asynchronous endpoint: every request ends once, at any time, whatever happens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.local_services.asynchronous import BODY, ERROR, SUCCESS, config, deployed
from tests.local_services.fakes import collaborators
from twin.local.services.autoscaling import service
from twin.local.services.errors import ServiceError
from twin.local.services.runtime.faults import PROCESSING
from twin.local.services.runtime.invocation import AnswerLostError

VARIANT = "endpoint/ep/variant/main"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": VARIANT,
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; asynchronous generators and tasks end with it."""
    asyncio.run(work)


def scale_to(cloud: Any, instances: int) -> None:
    wanted = {"VariantName": "main", "DesiredInstanceCount": instances}
    cloud.control(
        "UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=[wanted]
    )


def add_step_policy(cloud: Any, **steps: Any) -> None:
    """What lets the endpoint leave zero."""
    scaling = cloud.services.autoscaling
    run_scaling = service(scaling).run
    run_scaling("RegisterScalableTarget", {**TARGET, "MinCapacity": 0, "MaxCapacity": 2})
    policy = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        **steps,
    }
    run_scaling(
        "PutScalingPolicy",
        {
            **TARGET,
            "PolicyName": "leave-zero",
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": policy,
        },
    )


def test_a_thousand_requests_all_end_once_and_never_too_many_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path, endpoint=config(concurrency=3, instances=2)) as cloud:
            accepted = [cloud.invoke(f"id-{number}") for number in range(1000)]
            await cloud.until(lambda: len(cloud.topics.published) >= 1000)
            told = [message["inferenceId"] for _, message in cloud.topics.published]
            assert sorted(told) == sorted(request.inference_id for request in accepted)
            assert {topic for topic, _ in cloud.topics.published} == {SUCCESS}
            assert cloud.model.most_at_once == 6
            keys = {("exchange", request.output_location.partition("exchange/")[2]) for request in accepted}
            assert keys == set(cloud.objects.stored)
            await cloud.until(lambda: not list(cloud.services.asynchronous._backlog._requests))

    run(work())


def test_requests_begin_in_the_order_of_their_arrival(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path, endpoint=config(concurrency=1)) as cloud:
            bodies = [f'{{"number":{number}}}'.encode() for number in range(50)]
            for number, body in enumerate(bodies):
                cloud.invoke(f"id-{number}", body)
            await cloud.until(lambda: len(cloud.topics.published) == 50)
            assert cloud.model.bodies == bodies

    run(work())


def test_what_waited_and_what_ran_is_done_after_a_restart(tmp_path: Path) -> None:
    """Two of five requests run when the process ends; the next process runs all five."""
    around: Any = collaborators("exchange")

    async def before() -> None:
        async with deployed(tmp_path, held=True, endpoint=config(concurrency=2), around=around) as cloud:
            for number in range(5):
                cloud.invoke(f"id-{number}", f"{number}".encode())
            await cloud.until(lambda: cloud.model.at_once == 2)

    async def after() -> None:
        async with deployed(tmp_path, around=around) as cloud:
            await cloud.until(lambda: len(cloud.topics.published) == 5)
            assert cloud.model.bodies == [b"0", b"1", b"2", b"3", b"4"]
            assert len(cloud.objects.stored) == 5

    run(before())
    assert not around.topics.published
    run(after())

    async def later() -> None:
        async with deployed(tmp_path, around=around) as cloud:
            assert cloud.services.asynchronous._backlog.waiting("ep") == 0

    run(later())


def test_a_request_that_waits_too_long_expires(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path, held=True, endpoint=config(concurrency=1)) as cloud:
            cloud.invoke("runs", requestttlseconds="60")
            await cloud.until(lambda: cloud.model.at_once == 1)
            late = cloud.invoke("waits", requestttlseconds="60")
            cloud.invoke("waits on")
            cloud.services.sagemaker.clock = lambda: time.time() + 61
            await cloud.until(lambda: bool(cloud.topics.published))
            ((topic, message),) = cloud.topics.published
            assert (topic, message["invocationStatus"], message["inferenceId"]) == (ERROR, "Failed", "waits")
            assert "expired" in message["failureReason"]
            key = late.failure_location.partition("exchange/")[2]
            assert b"expired" in cloud.objects.stored["exchange", key]
            cloud.model.gate.set()
            await cloud.until(lambda: len(cloud.topics.published) == 3)
            assert [m["inferenceId"] for _, m in cloud.topics.published[1:]] == ["runs", "waits on"]

    run(work())


def test_a_container_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path, held=True) as cloud:
            cloud.invoke(invocationtimeoutseconds="1")
            await cloud.until(lambda: bool(cloud.topics.published))
            assert "timed out" in cloud.topics.published[0][1]["failureReason"]
            assert cloud.model.at_once == 0

    run(work())


def test_an_endpoint_at_zero_wakes_for_its_backlog(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path) as cloud:
            add_step_policy(cloud)
            scale_to(cloud, 0)
            cloud.invoke("a")
            cloud.invoke("b")
            load: dict[str, dict[str, object]] = {}
            cloud.services.asynchronous.add_load(load)
            assert load[VARIANT]["backlog"] == 2
            await cloud.until(lambda: len(cloud.topics.published) == 2)
            described = cloud.control("DescribeEndpoint", EndpointName="ep")
            assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
            (activity,) = cloud.services.autoscaling.activities.values()
            assert activity["Cause"] == (
                "monitor alarm on HasBacklogWithoutCapacity in state ALARM triggered policy leave-zero"
            )

    run(work())


@pytest.mark.parametrize(
    ("adjustment", "instances"),
    [
        ({"AdjustmentType": "ExactCapacity", "StepAdjustments": [{"ScalingAdjustment": 2}]}, 2),
        ({"StepAdjustments": [{"ScalingAdjustment": 9}]}, 2),
        (
            {
                "AdjustmentType": "PercentChangeInCapacity",
                "MinAdjustmentMagnitude": 1,
                "StepAdjustments": [{"ScalingAdjustment": 100}],
            },
            1,
        ),
        (
            {
                "StepAdjustments": [
                    {"MetricIntervalUpperBound": 0, "ScalingAdjustment": 5},
                    {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1},
                ]
            },
            1,
        ),
    ],
)
def test_how_far_it_wakes_is_the_policys(tmp_path: Path, adjustment: dict[str, Any], instances: int) -> None:
    async def work() -> None:
        async with deployed(tmp_path, held=True) as cloud:
            add_step_policy(cloud, **adjustment)
            scale_to(cloud, 0)
            cloud.invoke()
            await cloud.until(lambda: cloud.model.at_once == 1)
            record = cloud.services.sagemaker.endpoints["ep"]
            assert record["Variants"]["main"]["DesiredInstanceCount"] == instances

    run(work())


@pytest.mark.parametrize("missing", ["policy", "alarm"])
def test_an_endpoint_at_zero_stays_there_without_policy_or_alarm(tmp_path: Path, missing: str) -> None:
    async def work() -> None:
        async with deployed(tmp_path, alarms=missing != "alarm", wake_seconds=0) as cloud:
            if missing != "policy":
                add_step_policy(cloud)
            scale_to(cloud, 0)
            cloud.invoke()
            with pytest.raises(TimeoutError):
                await cloud.until(lambda: bool(cloud.model.bodies), seconds=0.5)
            scale_to(cloud, 1)
            await cloud.until(lambda: bool(cloud.topics.published))

    run(work())


def test_an_endpoint_wakes_after_the_update_that_is_under_way(tmp_path: Path) -> None:
    """Scaling to zero takes a while here; the wake-up that comes too early is repeated."""

    async def work() -> None:
        async with deployed(tmp_path, wake_seconds=0, update_seconds=0.3) as cloud:
            add_step_policy(cloud)
            scale_to(cloud, 0)
            cloud.invoke()
            with pytest.raises(ServiceError, match="Cannot update in-progress endpoint"):
                scale_to(cloud, 1)
            await cloud.until(lambda: bool(cloud.topics.published))

    run(work())


def test_a_queue_outlives_a_model_that_was_deleted_in_use(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path, held=True, endpoint=config(concurrency=1)) as cloud:
            cloud.invoke("a")
            await cloud.until(lambda: cloud.model.at_once == 1)
            cloud.invoke("b")
            model = cloud.services.sagemaker.models["model"]
            cloud.control("DeleteModel", ModelName="model")
            cloud.model.gate.set()
            await cloud.until(lambda: bool(cloud.topics.of("a")))
            assert cloud.services.asynchronous._backlog.waiting("ep") == 1
            cloud.services.sagemaker.models["model"] = model
            await cloud.until(lambda: bool(cloud.topics.of("b")))

    run(work())


def test_deleting_the_endpoint_drops_its_queue(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path, held=True, endpoint=config(concurrency=1)) as cloud:
            cloud.invoke("runs")
            cloud.invoke("waits")
            await cloud.until(lambda: cloud.model.at_once == 1)
            cloud.control("DeleteEndpoint", EndpointName="ep")
            cloud.control("CreateEndpoint", EndpointName="ep", EndpointConfigName="config")
            cloud.invoke("new", b"new")
            cloud.model.gate.set()
            await cloud.until(lambda: bool(cloud.topics.published) and cloud.model.at_once == 0)
            assert [message["inferenceId"] for _, message in cloud.topics.published] == ["new"]
            assert len(cloud.objects.stored) == 1

    run(work())


def test_input_is_read_from_s3_when_its_turn_comes(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path) as cloud:
            cloud.objects.put("exchange", "in/a.json", BODY, "application/json")
            cloud.invoke("there", b"", inputlocation="s3://exchange/in/a.json")
            cloud.invoke("missing", b"", inputlocation="s3://exchange/in/b.json")
            await cloud.until(lambda: len(cloud.topics.published) == 2)
            (there,), (missing,) = cloud.topics.of("there"), cloud.topics.of("missing")
            assert cloud.model.bodies == [BODY]
            assert there["requestParameters"]["inputLocation"] == "s3://exchange/in/a.json"
            assert missing["failureReason"] == (
                "ClientError: The input object s3://exchange/in/b.json does not exist."
            )

    run(work())


def test_an_output_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    async def work() -> None:
        request = config()
        request["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] = "s3://gone/out"
        async with deployed(tmp_path, endpoint=request) as cloud:
            accepted = cloud.invoke()
            await cloud.until(lambda: bool(cloud.topics.published))
            ((topic, message),) = cloud.topics.published
            assert topic == ERROR
            assert "NoSuchBucket" in message["failureReason"]
            key = accepted.failure_location.partition("exchange/")[2]
            assert list(cloud.objects.stored) == [("exchange", key)]

    run(work())


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("s3:GetObject", "The execution role may not read the input: s3:GetObject on s3://exchange/in"),
        ("s3:PutObject", "The execution role may not write the result: s3:PutObject on s3://exchange/out/"),
    ],
)
def test_the_execution_role_limits_what_the_endpoint_may_do(tmp_path: Path, action: str, reason: str) -> None:
    async def work() -> None:
        fakes = collaborators("exchange")
        around = type(fakes)(
            fakes.objects, fakes.topics, fakes.alarms, lambda role, did, resource: did != action
        )
        fakes.objects.put("exchange", "in", BODY, "application/json")
        async with deployed(tmp_path, around=around) as cloud:
            cloud.invoke(body=b"", inputlocation="s3://exchange/in")
            await cloud.until(lambda: bool(cloud.topics.published))
            assert cloud.topics.published[0][1]["failureReason"].startswith(f"ClientError: {reason}")

    run(work())


def test_without_the_right_to_publish_nobody_hears(tmp_path: Path) -> None:
    async def work() -> None:
        fakes = collaborators("exchange")
        permits = lambda role, action, resource: action != "sns:Publish"  # noqa: E731 - shorter than a function
        async with deployed(
            tmp_path, around=type(fakes)(fakes.objects, fakes.topics, fakes.alarms, permits)
        ) as cloud:
            cloud.invoke()
            await cloud.until(lambda: bool(cloud.objects.stored))
            await cloud.until(lambda: not cloud.services.asynchronous._backlog._requests)
            assert not cloud.topics.published

    run(work())


@pytest.mark.parametrize(
    ("order", "objects", "messages"),
    [
        ({"kind": "drop_notification"}, 1, 0),
        ({"kind": "duplicate_notification"}, 1, 2),
        ({"kind": "missing_output"}, 0, 1),
        ({"kind": "notification_before_output"}, 1, 1),
        ({"kind": "stall"}, 1, 1),
        ({"kind": "model_error", "status": 400, "message": "no"}, 1, 1),
    ],
)
def test_ordered_faults(tmp_path: Path, order: dict[str, Any], objects: int, messages: int) -> None:
    assert order["kind"] in PROCESSING

    async def work() -> None:
        async with deployed(tmp_path, endpoint=config(concurrency=1)) as cloud:
            cloud.services.runtime.faults.add({**order, "endpoint": "ep"})
            cloud.invoke("hit")
            cloud.invoke("missed")
            await cloud.until(lambda: bool(cloud.topics.of("missed")))
            assert len(cloud.topics.of("hit")) == messages
            assert len(cloud.objects.stored) == objects + 1
            failed = [message for message in cloud.topics.of("hit") if "failureReason" in message]
            assert len(failed) == (order["kind"] == "model_error")

    run(work())


def test_a_notification_may_come_before_its_output(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path) as cloud:
            order = {"kind": "notification_before_output", "seconds": 0.2}
            cloud.services.runtime.faults.add(order)
            cloud.invoke()
            await cloud.until(lambda: bool(cloud.topics.published))
            assert not cloud.objects.stored
            await cloud.until(lambda: bool(cloud.objects.stored))

    run(work())


def test_an_accepted_request_whose_answer_is_lost_is_carried_out(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path) as cloud:
            cloud.services.runtime.faults.add({"kind": "lose_answer"})
            with pytest.raises(AnswerLostError):
                cloud.invoke("lost")
            await cloud.until(lambda: bool(cloud.topics.of("lost")))

    run(work())


def test_a_refused_request_is_not_carried_out(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path) as cloud:
            cloud.services.runtime.faults.add({"kind": "service_unavailable"})
            with pytest.raises(ServiceError, match="ServiceUnavailable"):
                cloud.invoke("refused")
            cloud.invoke("next")
            await cloud.until(lambda: bool(cloud.topics.published))
            assert [message["inferenceId"] for _, message in cloud.topics.published] == ["next"]

    run(work())


def test_faults_of_asynchronous_requests_leave_realtime_ones_alone(tmp_path: Path) -> None:
    async def work() -> None:
        async with deployed(tmp_path) as cloud:
            cloud.services.runtime.faults.add({"kind": "drop_notification"})
            assert cloud.services.runtime.faults.take("other") is None
            assert json.loads(json.dumps(cloud.services.runtime.faults.as_json()))[0]["times"] == 1

    run(work())
