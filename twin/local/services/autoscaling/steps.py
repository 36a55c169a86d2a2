"""Step scaling from zero: the one reaction to load that the local cloud carries out by itself."""

from __future__ import annotations

from collections.abc import Iterable

from twin.local.services.autoscaling.rules import VARIANT_COUNT, Target
from twin.local.services.autoscaling.state import AutoscalingState
from twin.local.services.storage import Record
from twin.local.services.topics import Alarms

METRIC = "HasBacklogWithoutCapacity"


def leave_zero(state: AutoscalingState, alarms: Alarms, endpoint: str, variant: str) -> bool:
    """Carry out the step policies that an alarm on the endpoint's `HasBacklogWithoutCapacity` triggers.

    Whether the variant has capacity now. The metric is 1 then, taken to be the alarm's threshold.
    """
    target = Target(f"endpoint/{endpoint}/variant/{variant}", VARIANT_COUNT)
    bounds = state.targets.get(target.key)
    current = state.capacity.current(target)
    if bounds is None or current is None or bounds["SuspendedState"]["DynamicScalingOutSuspended"]:
        return False
    policies = [
        policy
        for policy in _step_policies(state, target)
        if alarms.trigger(policy["PolicyARN"], METRIC, endpoint)
    ]
    wanted = max((_stepped(policy, current) for policy in policies), default=current)
    wanted = min(max(wanted, bounds["MinCapacity"]), bounds["MaxCapacity"])
    if wanted <= current:
        return False
    names = ", ".join(policy["PolicyName"] for policy in policies)
    state.scale(target, wanted, f"monitor alarm on {METRIC} in state ALARM triggered policy {names}")
    return True


def _step_policies(state: AutoscalingState, target: Target) -> Iterable[Record]:
    for policy in list(state.policies.values()):
        same = (policy["ResourceId"], policy["ScalableDimension"]) == (target.resource_id, target.dimension)
        if same and policy["PolicyType"] == "StepScaling":
            yield policy


def _stepped(policy: Record, current: int) -> int:
    """Capacity after the step for a metric at its threshold."""
    configuration = policy["StepScalingPolicyConfiguration"]
    infinity = float("inf")
    for step in configuration["StepAdjustments"]:
        lower = step.get("MetricIntervalLowerBound", -infinity)
        upper = step.get("MetricIntervalUpperBound", infinity)
        if lower <= 0 < upper:
            adjustment = int(step["ScalingAdjustment"])
            if configuration["AdjustmentType"] == "ExactCapacity":
                return adjustment
            if configuration["AdjustmentType"] == "PercentChangeInCapacity":
                share = current * adjustment // 100
                return current + max(share, int(configuration.get("MinAdjustmentMagnitude", 0)))
            return current + adjustment
    return current
