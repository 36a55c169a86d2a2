"""CreateEndpointConfig and its siblings."""

from __future__ import annotations

from collections.abc import Iterable

from twin.local.services.errors import validation_error
from twin.local.services.sagemaker.listing import Listing
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record

_LISTING = Listing(
    "EndpointConfigs", ("EndpointConfigName", "EndpointConfigArn", "CreationTime"), "EndpointConfigName"
)


def create_endpoint_config(state: SageMakerState, request: Record) -> Record:
    name = request["EndpointConfigName"]
    state.require_new(state.endpoint_configs, "endpoint-config", "endpoint configuration", name)
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise validation_error(f"Variant names must be unique, found {', '.join(names)}")
    for variant in [*variants, *(request.get("ShadowProductionVariants") or [])]:
        _check_variant(state, variant, request)
    if request.get("AsyncInferenceConfig"):
        _check_asynchronous(request)
    state.require_role(request.get("ExecutionRoleArn"))
    arn = state.arn("endpoint-config", name)
    body = {key: value for key, value in request.items() if key != "Tags"}
    state.endpoint_configs[name] = {**body, "EndpointConfigArn": arn, "CreationTime": state.clock()}
    state.set_tags(arn, request.get("Tags"))
    return {"EndpointConfigArn": arn}


def _check_variant(state: SageMakerState, variant: Record, request: Record) -> None:
    name = variant["VariantName"]
    for model in _models(variant):
        state.require(state.models, "model", "model", model)
    if not variant.get("ModelName") and not request.get("ExecutionRoleArn"):
        raise validation_error(
            f"ExecutionRoleArn is required when a production variant ({name}) has no ModelName, "
            "that is, for an endpoint that hosts inference components."
        )
    pools, serverless = variant.get("InstancePools"), variant.get("ServerlessConfig")
    given = [key for key in ("InstanceType", "InstancePools", "ServerlessConfig") if variant.get(key)]
    if len(given) != 1:
        raise validation_error(
            f"Variant {name} needs exactly one of InstanceType, InstancePools and ServerlessConfig, "
            f"found {', '.join(given) or 'none'}."
        )
    if pools:
        _check_pools(name, pools)
    if not serverless and variant.get("InitialInstanceCount") is None:
        raise validation_error(f"InitialInstanceCount is required for variant {name}.")
    _check_scaling(name, variant)
    _check_routing(name, variant.get("RoutingConfig") or {})


def _check_asynchronous(request: Record) -> None:
    """What goes with AsyncInferenceConfig: one variant, on instances, with a model of its own."""
    variants = request["ProductionVariants"]
    if len(variants) != 1 or request.get("ShadowProductionVariants"):
        raise validation_error(
            "AsyncInferenceConfig needs exactly one production variant and no shadow variant, found "
            f"{len(variants)} and {len(request.get('ShadowProductionVariants') or [])}."
        )
    for name in ("ServerlessConfig", "ManagedInstanceScaling"):
        if variants[0].get(name):
            raise validation_error(f"{name} is not supported together with AsyncInferenceConfig.")
    if not variants[0].get("ModelName"):
        raise validation_error("AsyncInferenceConfig needs a production variant with ModelName.")
    if request.get("ExplainerConfig"):
        raise validation_error("ExplainerConfig is not supported together with AsyncInferenceConfig.")
    output = request["AsyncInferenceConfig"]["OutputConfig"]
    for name in ("S3OutputPath", "S3FailurePath"):
        if output.get(name) is not None and not output[name].startswith("s3://"):
            raise validation_error(
                f"{name} must be an address like s3://bucket/prefix, found {output[name]}."
            )


def _models(variant: Record) -> Iterable[str]:
    if variant.get("ModelName"):
        yield variant["ModelName"]
    for pool in variant.get("InstancePools") or ():
        if pool.get("ModelNameOverride"):
            yield pool["ModelNameOverride"]


def _check_pools(name: str, pools: list[Record]) -> None:
    priorities = [pool["Priority"] for pool in pools if "Priority" in pool]
    types = [pool["InstanceType"] for pool in pools]
    if len(set(priorities)) != len(priorities):
        raise validation_error(f"Instance pools of variant {name} must have distinct priorities.")
    if len(set(types)) != len(types):
        raise validation_error(f"Instance pools of variant {name} must have distinct instance types.")


def _check_scaling(name: str, variant: Record) -> None:
    scaling = variant.get("ManagedInstanceScaling") or {}
    least, most = scaling.get("MinInstanceCount"), scaling.get("MaxInstanceCount")
    count = variant.get("InitialInstanceCount")
    if least is not None and most is not None and least > most:
        raise validation_error(
            f"ManagedInstanceScaling of variant {name}: MinInstanceCount {least} is above "
            f"MaxInstanceCount {most}."
        )
    if scaling.get("Status") == "ENABLED" and count is not None and most is not None and count > most:
        raise validation_error(
            f"InitialInstanceCount {count} of variant {name} is above MaxInstanceCount {most}."
        )


def _check_routing(name: str, routing: Record) -> None:
    if routing.get("PrefixAwareRoutingConfig") and routing["RoutingStrategy"] != "PREFIX_AWARE":
        raise validation_error(
            f"PrefixAwareRoutingConfig of variant {name} needs the routing strategy PREFIX_AWARE."
        )


def describe_endpoint_config(state: SageMakerState, request: Record) -> Record:
    return dict(find_config(state, request["EndpointConfigName"]))


def find_config(state: SageMakerState, name: str) -> Record:
    return state.require(state.endpoint_configs, "endpoint-config", "endpoint configuration", name)


def list_endpoint_configs(state: SageMakerState, request: Record) -> Record:
    return _LISTING.answer(state.endpoint_configs.values(), request)


def delete_endpoint_config(state: SageMakerState, request: Record) -> None:
    find_config(state, request["EndpointConfigName"])
    del state.endpoint_configs[request["EndpointConfigName"]]
    state.drop_tags(state.arn("endpoint-config", request["EndpointConfigName"]))


def instance_types(variant: Record) -> frozenset[str]:
    """Every instance type that a variant may run on."""
    pools = variant.get("InstancePools") or ()
    return frozenset(filter(None, [variant.get("InstanceType"), *(pool["InstanceType"] for pool in pools)]))
