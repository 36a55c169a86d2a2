"""What Application Auto Scaling accepts for SageMaker."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from twin.local.services.errors import validation_error
from twin.local.services.storage import Record

VARIANT_COUNT = "sagemaker:variant:DesiredInstanceCount"
VARIANT_CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
COPY_COUNT = "sagemaker:inference-component:DesiredCopyCount"

_NAME = "([a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})"
_VARIANT_ID = re.compile(f"endpoint/{_NAME}/variant/{_NAME}")
_COMPONENT_ID = re.compile(f"inference-component/{_NAME}")
_RESOURCE_IDS: Mapping[str, re.Pattern[str]] = {
    VARIANT_COUNT: _VARIANT_ID,
    VARIANT_CONCURRENCY: _VARIANT_ID,
    COPY_COUNT: _COMPONENT_ID,
}
_METRICS: Mapping[str, frozenset[str]] = {
    VARIANT_COUNT: frozenset(
        {"SageMakerVariantInvocationsPerInstance", "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    ),
    VARIANT_CONCURRENCY: frozenset({"SageMakerVariantProvisionedConcurrencyUtilization"}),
    COPY_COUNT: frozenset(
        {
            "SageMakerInferenceComponentInvocationsPerCopy",
            "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a scalable target scales: an inference component, or a variant of an endpoint."""

    resource_id: str
    dimension: str

    @property
    def key(self) -> str:
        return f"{self.resource_id}|{self.dimension}"

    @property
    def component(self) -> str | None:
        match = _COMPONENT_ID.fullmatch(self.resource_id)
        return match[1] if match else None

    @property
    def variant(self) -> tuple[str, str] | None:
        """Endpoint and variant."""
        match = _VARIANT_ID.fullmatch(self.resource_id)
        return (match[1], match[2]) if match else None


def parse_target(request: Record) -> Target:
    """The target of a request; `ValidationException` when dimension and resource id don't go together."""
    resource_id, dimension = request["ResourceId"], request["ScalableDimension"]
    pattern = _RESOURCE_IDS.get(dimension)
    if pattern is None or not pattern.fullmatch(resource_id):
        raise validation_error("Unsupported service namespace, resource type or scalable dimension")
    return Target(resource_id, dimension)


def check_capacity(least: int | None, most: int | None, *, new: bool) -> None:
    """Bounds of a scalable target: both for a new one, never negative, never crossed."""
    if new and least is None:
        raise validation_error("Missing required parameter: MinCapacity")
    if new and most is None:
        raise validation_error("Missing required parameter: MaxCapacity")
    for name, value in (("Minimum", least), ("Maximum", most)):
        if value is not None and value < 0:
            raise validation_error(f"{name} capacity must be greater than or equal to 0")
    if least is not None and most is not None and least > most:
        raise validation_error("Maximum capacity cannot be less than minimum capacity")


def check_policy(kind: str, request: Record, target: Target) -> None:
    """The configuration must be the one of the policy's type, and fit the target."""
    configurations = {
        "StepScaling": "StepScalingPolicyConfiguration",
        "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    }
    if kind not in configurations:
        raise validation_error(f"{kind} is not supported for the service namespace sagemaker")
    wanted = configurations[kind]
    given = [
        name for name in (*configurations.values(), "PredictiveScalingPolicyConfiguration") if name in request
    ]
    if given != [wanted]:
        raise validation_error(f"{wanted} is required, and no other configuration, for a {kind} policy")
    checks: Mapping[str, Callable[[Record, Target], None]] = {
        "StepScaling": _check_steps,
        "TargetTrackingScaling": _check_tracking,
    }
    checks[kind](request[wanted], target)


def _check_tracking(configuration: Record, target: Target) -> None:
    predefined = configuration.get("PredefinedMetricSpecification")
    customized = configuration.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise validation_error(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified"
        )
    if configuration["TargetValue"] <= 0:
        raise validation_error("TargetValue must be greater than 0")
    for name in ("ScaleOutCooldown", "ScaleInCooldown"):
        _check_cooldown(name, configuration.get(name))
    if predefined is not None:
        metric = predefined["PredefinedMetricType"]
        if metric not in _METRICS[target.dimension]:
            fitting = ", ".join(sorted(_METRICS[target.dimension]))
            raise validation_error(
                f"Predefined metric type {metric} is not supported for the scalable dimension "
                f"{target.dimension}: expected one of {fitting}"
            )
    if customized is not None and not customized.get("Metrics"):
        missing = [name for name in ("MetricName", "Namespace", "Statistic") if not customized.get(name)]
        if missing:
            raise validation_error(f"CustomizedMetricSpecification lacks {', '.join(missing)}")


def _check_cooldown(name: str, value: int | None) -> None:
    if value is not None and value < 0:
        raise validation_error(f"{name} must be greater than or equal to 0")


def _check_steps(configuration: Record, target: Target) -> None:
    steps = configuration.get("StepAdjustments")
    if not configuration.get("AdjustmentType") or not steps:
        raise validation_error("AdjustmentType and StepAdjustments are required for a StepScaling policy")
    _check_cooldown("Cooldown", configuration.get("Cooldown"))
    if (
        "MinAdjustmentMagnitude" in configuration
        and configuration["AdjustmentType"] != "PercentChangeInCapacity"
    ):
        raise validation_error(
            "MinAdjustmentMagnitude is only for the adjustment type PercentChangeInCapacity"
        )
    infinity = float("inf")
    bounds = sorted(
        (step.get("MetricIntervalLowerBound", -infinity), step.get("MetricIntervalUpperBound", infinity))
        for step in steps
    )
    for lower, upper in bounds:
        if lower >= upper:
            raise validation_error("MetricIntervalLowerBound must be less than MetricIntervalUpperBound")
    for (_, upper), (lower, _) in pairwise(bounds):
        if upper != lower:
            raise validation_error("StepAdjustment intervals can't overlap or have a gap between them")
