"""Application Auto Scaling through unmodified boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_services.conftest import Cloud, create_endpoint

COMPONENT: dict[str, Any] = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/ic",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
VARIANT: dict[str, Any] = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/ep/variant/main",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
CONCURRENCY = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
NO_TARGET = (
    "No scalable target found for service namespace: sagemaker, resource ID: inference-component/ic, "
    "scalable dimension: sagemaker:inference-component:DesiredCopyCount"
)


@pytest.fixture
def client(cloud: Cloud) -> Any:
    create_endpoint(cloud.client("sagemaker"))
    return cloud.client("application-autoscaling")


@pytest.fixture
def registered(client: Any) -> Any:
    client.register_scalable_target(**COMPONENT, MinCapacity=1, MaxCapacity=4)
    return client


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def tracking(**changes: Any) -> dict[str, Any]:
    metric = {"PredefinedMetricType": CONCURRENCY}
    return {"TargetValue": 5.0, "PredefinedMetricSpecification": metric, **changes}


def test_targets(client: Any) -> None:
    arn = client.register_scalable_target(**COMPONENT, MinCapacity=1, MaxCapacity=4)["ScalableTargetARN"]
    changed = client.register_scalable_target(
        **COMPONENT, MaxCapacity=6, SuspendedState={"DynamicScalingInSuspended": True}
    )
    assert changed["ScalableTargetARN"] == arn
    (found,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 6)
    assert found["SuspendedState"]["DynamicScalingInSuspended"] is True
    assert found["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    client.deregister_scalable_target(**COMPONENT)
    assert client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert refused(client.deregister_scalable_target, **COMPONENT) == ("ObjectNotFoundException", NO_TARGET)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MinCapacity": 5}, "Maximum capacity cannot be less than minimum capacity"),
        ({"MinCapacity": -1}, "Minimum capacity must be greater than or equal to 0"),
        (
            {"ResourceId": "inference-component/other"},
            "Inference component does not exist: inference-component/other",
        ),
        (
            {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"},
            "Unsupported service namespace, resource type or scalable dimension",
        ),
        (
            {"ScalableDimension": "ecs:service:DesiredCount"},
            "Unsupported service namespace, resource type or scalable dimension",
        ),
    ],
)
def test_targets_are_checked(client: Any, changes: dict[str, Any], message: str) -> None:
    valid = {**COMPONENT, "MinCapacity": 1, "MaxCapacity": 4}
    assert refused(client.register_scalable_target, **{**valid, **changes}) == (
        "ValidationException",
        message,
    )


def test_a_new_target_needs_both_bounds(client: Any) -> None:
    assert refused(client.register_scalable_target, **COMPONENT, MaxCapacity=1) == (
        "ValidationException",
        "Missing required parameter: MinCapacity",
    )


def test_registering_brings_the_capacity_within_bounds(cloud: Cloud, client: Any) -> None:
    sagemaker = cloud.client("sagemaker")

    def copies() -> int:
        found = sagemaker.describe_inference_component(InferenceComponentName="ic")
        return int(found["RuntimeConfig"]["DesiredCopyCount"])

    client.register_scalable_target(**COMPONENT, MinCapacity=3, MaxCapacity=4)
    assert copies() == 3
    client.register_scalable_target(**COMPONENT, MinCapacity=0, MaxCapacity=2)
    assert copies() == 2
    client.register_scalable_target(**COMPONENT, MinCapacity=0, MaxCapacity=8)
    assert copies() == 2
    activities = client.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
    assert [activity["Cause"] for activity in activities] == [
        "maximum capacity was set to 2",
        "minimum capacity was set to 3",
    ]


def test_variants_are_scaled_too(cloud: Cloud, client: Any) -> None:
    client.register_scalable_target(**VARIANT, MinCapacity=2, MaxCapacity=4)
    endpoint = cloud.client("sagemaker").describe_endpoint(EndpointName="ep")
    assert endpoint["ProductionVariants"][0]["DesiredInstanceCount"] == 2


def test_policies(registered: Any) -> None:
    policy = {"PolicyName": "p", **COMPONENT, "PolicyType": "TargetTrackingScaling"}
    first = registered.put_scaling_policy(**policy, TargetTrackingScalingPolicyConfiguration=tracking())
    second = registered.put_scaling_policy(
        **policy, TargetTrackingScalingPolicyConfiguration=tracking(TargetValue=7.0)
    )
    assert first["PolicyARN"] == second["PolicyARN"]
    (found,) = registered.describe_scaling_policies(ServiceNamespace="sagemaker", PolicyNames=["p"])[
        "ScalingPolicies"
    ]
    assert found["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 7.0
    name = {"PolicyName": "p", **COMPONENT}
    registered.delete_scaling_policy(**name)
    code, message = refused(registered.delete_scaling_policy, **name)
    assert code == "ObjectNotFoundException"
    assert message.startswith("No scaling policy found for service namespace: sagemaker")


def test_a_policy_needs_its_target(client: Any) -> None:
    policy = {"PolicyName": "p", **COMPONENT, "PolicyType": "TargetTrackingScaling"}
    call = {**policy, "TargetTrackingScalingPolicyConfiguration": tracking()}
    assert refused(client.put_scaling_policy, **call) == ("ObjectNotFoundException", NO_TARGET)


def test_deregistering_deletes_policies_and_actions(registered: Any) -> None:
    policy = {"PolicyName": "p", **COMPONENT, "PolicyType": "TargetTrackingScaling"}
    registered.put_scaling_policy(**policy, TargetTrackingScalingPolicyConfiguration=tracking())
    action = {"ScheduledActionName": "a", **COMPONENT, "Schedule": "cron(0 7 * * ? *)"}
    registered.put_scheduled_action(**action, ScalableTargetAction={"MinCapacity": 1})
    registered.deregister_scalable_target(**COMPONENT)
    assert registered.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []
    assert registered.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"] == []


WRONG_METRIC = (
    "Predefined metric type SageMakerVariantInvocationsPerInstance is not supported for the scalable "
    "dimension sagemaker:inference-component:DesiredCopyCount: expected one of "
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution, "
    "SageMakerInferenceComponentInvocationsPerCopy"
)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (
            tracking(
                PredefinedMetricSpecification={
                    "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                }
            ),
            WRONG_METRIC,
        ),
        (tracking(TargetValue=0.0), "TargetValue must be greater than 0"),
        (tracking(ScaleInCooldown=-1), "ScaleInCooldown must be greater than or equal to 0"),
        (
            {"TargetValue": 1.0},
            (
                "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be "
                "specified"
            ),
        ),
        (
            {"TargetValue": 1.0, "CustomizedMetricSpecification": {"MetricName": "m"}},
            "CustomizedMetricSpecification lacks Namespace, Statistic",
        ),
    ],
)
def test_target_tracking_is_checked(registered: Any, configuration: dict[str, Any], message: str) -> None:
    policy = {"PolicyName": "p", **COMPONENT, "PolicyType": "TargetTrackingScaling"}
    call = {**policy, "TargetTrackingScalingPolicyConfiguration": configuration}
    assert refused(registered.put_scaling_policy, **call) == ("ValidationException", message)


def steps(*bounds: tuple[float | None, float | None], **extra: Any) -> dict[str, Any]:
    adjustments: list[dict[str, Any]] = []
    for lower, upper in bounds:
        step: dict[str, Any] = {"ScalingAdjustment": 1}
        if lower is not None:
            step["MetricIntervalLowerBound"] = lower
        if upper is not None:
            step["MetricIntervalUpperBound"] = upper
        adjustments.append(step)
    return {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": adjustments, **extra}


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"AdjustmentType": "ChangeInCapacity"}, "AdjustmentType and StepAdjustments are required"),
        (steps((0, 10), (20, None)), "StepAdjustment intervals can't overlap or have a gap between them"),
        (steps((0, 10), (5, None)), "StepAdjustment intervals can't overlap or have a gap between them"),
        (steps((5, 5)), "MetricIntervalLowerBound must be less than MetricIntervalUpperBound"),
        (steps((0, None), Cooldown=-1), "Cooldown must be greater than or equal to 0"),
        (
            steps((0, None), MinAdjustmentMagnitude=2),
            "MinAdjustmentMagnitude is only for the adjustment type",
        ),
    ],
)
def test_step_scaling_is_checked(registered: Any, configuration: dict[str, Any], message: str) -> None:
    policy = {"PolicyName": "p", **COMPONENT, "PolicyType": "StepScaling"}
    code, text = refused(
        registered.put_scaling_policy, **policy, StepScalingPolicyConfiguration=configuration
    )
    assert code == "ValidationException"
    assert text.startswith(message)


def test_step_scaling(registered: Any) -> None:
    configuration = steps((None, 0), (0, None), Cooldown=60, MetricAggregationType="Maximum")
    policy = {"PolicyName": "wake", **COMPONENT, "PolicyType": "StepScaling"}
    registered.put_scaling_policy(**policy, StepScalingPolicyConfiguration=configuration)
    (found,) = registered.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert found["StepScalingPolicyConfiguration"] == configuration


@pytest.mark.parametrize(
    ("kind", "configurations", "message"),
    [
        (
            "StepScaling",
            {"TargetTrackingScalingPolicyConfiguration": tracking()},
            (
                "StepScalingPolicyConfiguration is required, and no other configuration, for a StepScaling "
                "policy"
            ),
        ),
        (
            "PredictiveScaling",
            {},
            "PredictiveScaling is not supported for the service namespace sagemaker",
        ),
    ],
)
def test_a_policy_has_the_configuration_of_its_type(
    registered: Any, kind: str, configurations: dict[str, Any], message: str
) -> None:
    policy = {"PolicyName": "p", **COMPONENT, "PolicyType": kind, **configurations}
    assert refused(registered.put_scaling_policy, **policy) == ("ValidationException", message)


def test_scheduled_actions(registered: Any) -> None:
    action = {"ScheduledActionName": "night", **COMPONENT}
    registered.put_scheduled_action(**action, Schedule="rate(1 day)", ScalableTargetAction={"MaxCapacity": 0})
    registered.put_scheduled_action(**action, Schedule="cron(0 22 * * ? *)", Timezone="Europe/Berlin")
    (found,) = registered.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert (found["Schedule"], found["Timezone"]) == ("cron(0 22 * * ? *)", "Europe/Berlin")
    assert found["ScalableTargetAction"] == {"MaxCapacity": 0}
    wrong = {"Schedule": "sometimes", "ScalableTargetAction": {"MinCapacity": 1}}
    assert refused(registered.put_scheduled_action, **action, **wrong) == (
        "ValidationException",
        "Invalid schedule sometimes: expected at(…), rate(…) or cron(…)",
    )
    registered.delete_scheduled_action(**action)
    assert refused(registered.delete_scheduled_action, **action)[0] == "ObjectNotFoundException"


def test_tags(client: Any) -> None:
    target = {**COMPONENT, "MinCapacity": 1, "MaxCapacity": 4, "Tags": {"team": "ml"}}
    arn = client.register_scalable_target(**target)["ScalableTargetARN"]
    client.tag_resource(ResourceARN=arn, Tags={"stage": "test"})
    client.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stage": "test"}
    assert refused(client.list_tags_for_resource, ResourceARN=f"{arn}x")[0] == "ResourceNotFoundException"


def test_other_namespaces_go_to_moto(client: Any) -> None:
    client.register_scalable_target(
        ServiceNamespace="lambda",
        ResourceId="function:f:live",
        ScalableDimension="lambda:function:ProvisionedConcurrency",
        MinCapacity=1,
        MaxCapacity=2,
    )
    (found,) = client.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]
    assert found["ResourceId"] == "function:f:live"
    assert client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
