"""The SageMaker control plane (JSON 1.1): `POST /` with `X-Amz-Target: SageMaker.<Operation>`.

Operations that are not implemented here go to moto, which is imported when the first of them arrives.
"""

from __future__ import annotations

from collections.abc import Callable

from twin.local.services import wire
from twin.local.services.json_rpc import JsonService
from twin.local.services.moto_fallback import MotoFallback
from twin.local.services.sagemaker import components, endpoint_configs, endpoints, models, packages, tags
from twin.local.services.sagemaker.announcements import announced
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record
from twin.local.services.transform import operations as transform

OPERATIONS: dict[str, Callable[[SageMakerState, Record], Record | None]] = {
    "CreateModel": models.create_model,
    "DescribeModel": models.describe_model,
    "ListModels": models.list_models,
    "DeleteModel": models.delete_model,
    "CreateEndpointConfig": endpoint_configs.create_endpoint_config,
    "DescribeEndpointConfig": endpoint_configs.describe_endpoint_config,
    "ListEndpointConfigs": endpoint_configs.list_endpoint_configs,
    "DeleteEndpointConfig": endpoint_configs.delete_endpoint_config,
    "CreateEndpoint": announced(endpoints.create_endpoint),
    "DescribeEndpoint": endpoints.describe_endpoint,
    "ListEndpoints": endpoints.list_endpoints,
    "UpdateEndpoint": announced(endpoints.update_endpoint),
    "UpdateEndpointWeightsAndCapacities": announced(endpoints.update_weights_and_capacities),
    "DeleteEndpoint": announced(endpoints.delete_endpoint),
    "CreateInferenceComponent": components.create_component,
    "DescribeInferenceComponent": components.describe_component,
    "ListInferenceComponents": components.list_components,
    "UpdateInferenceComponent": components.update_component,
    "UpdateInferenceComponentRuntimeConfig": components.update_runtime_config,
    "DeleteInferenceComponent": components.delete_component,
    "CreateTransformJob": transform.create_transform_job,
    "DescribeTransformJob": transform.describe_transform_job,
    "ListTransformJobs": transform.list_transform_jobs,
    "StopTransformJob": transform.stop_transform_job,
    "CreateModelPackageGroup": packages.create_group,
    "DescribeModelPackageGroup": packages.describe_group,
    "ListModelPackageGroups": packages.list_groups,
    "DeleteModelPackageGroup": packages.delete_group,
    "PutModelPackageGroupPolicy": packages.put_group_policy,
    "GetModelPackageGroupPolicy": packages.get_group_policy,
    "DeleteModelPackageGroupPolicy": packages.delete_group_policy,
    "CreateModelPackage": packages.create_package,
    "DescribeModelPackage": packages.describe_package,
    "ListModelPackages": packages.list_packages,
    "UpdateModelPackage": packages.update_package,
    "DeleteModelPackage": packages.delete_package,
    "AddTags": tags.add_tags,
    "ListTags": tags.list_tags,
    "DeleteTags": tags.delete_tags,
}


def service(state: SageMakerState) -> JsonService[SageMakerState]:
    """The operations over `state`."""
    return JsonService("sagemaker", OPERATIONS, state)


def create_app(state: SageMakerState) -> wire.ASGIApp:
    """The service as an ASGI app."""
    return service(state).app(MotoFallback("sagemaker", state.identity))
