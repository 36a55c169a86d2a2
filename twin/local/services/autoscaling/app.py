"""The Application Auto Scaling API (JSON 1.1). Namespaces other than `sagemaker` go to moto."""

from __future__ import annotations

from collections.abc import Callable

from twin.local.services import wire
from twin.local.services.autoscaling import operations
from twin.local.services.autoscaling.state import AutoscalingState
from twin.local.services.json_rpc import JsonService
from twin.local.services.moto_fallback import MotoFallback
from twin.local.services.storage import Record

OPERATIONS: dict[str, Callable[[AutoscalingState, Record], Record | None]] = {
    "RegisterScalableTarget": operations.register_scalable_target,
    "DeregisterScalableTarget": operations.deregister_scalable_target,
    "DescribeScalableTargets": operations.describe_scalable_targets,
    "PutScalingPolicy": operations.put_scaling_policy,
    "DescribeScalingPolicies": operations.describe_scaling_policies,
    "DeleteScalingPolicy": operations.delete_scaling_policy,
    "PutScheduledAction": operations.put_scheduled_action,
    "DescribeScheduledActions": operations.describe_scheduled_actions,
    "DeleteScheduledAction": operations.delete_scheduled_action,
    "DescribeScalingActivities": operations.describe_scaling_activities,
    "ListTagsForResource": operations.list_tags,
    "TagResource": operations.tag_resource,
    "UntagResource": operations.untag_resource,
}


def service(state: AutoscalingState) -> JsonService[AutoscalingState]:
    """The operations over `state`."""
    return JsonService("application-autoscaling", OPERATIONS, state, handles=_is_for_sagemaker)


def _is_for_sagemaker(request: Record) -> bool:
    return bool(request.get("ServiceNamespace", "sagemaker") == "sagemaker")


def create_app(state: AutoscalingState) -> wire.ASGIApp:
    """The service as an ASGI app."""
    return service(state).app(MotoFallback("application-autoscaling", state.identity))
