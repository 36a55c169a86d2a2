"""CloudFormation resource types of the services."""

from __future__ import annotations

from typing import Any

from twin.local.services.autoscaling import AutoscalingState
from twin.local.services.cloudformation import autoscaling, sagemaker, vectors
from twin.local.services.cloudformation.handler import handlers
from twin.local.services.json_rpc import JsonService
from twin.local.services.sagemaker import SageMakerState
from twin.local.services.vectors import VectorsState

__all__ = ["resource_handlers"]


def resource_handlers(
    control: JsonService[SageMakerState], scaling: JsonService[AutoscalingState], state: VectorsState
) -> dict[str, dict[str, Any]]:
    """Entries for MiniStack's table of resource handlers, by resource type."""
    resources = [
        *sagemaker.resources(control),
        *autoscaling.resources(scaling),
        *vectors.resources(state),
    ]
    return {resource.type: handlers(resource) for resource in resources}
