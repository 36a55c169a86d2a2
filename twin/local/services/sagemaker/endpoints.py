"""CreateEndpoint, UpdateEndpoint and their siblings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.local.services.errors import validation_error
from twin.local.services.sagemaker.deployments import check_deployment
from twin.local.services.sagemaker.endpoint_configs import find_config, instance_types
from twin.local.services.sagemaker.lifecycle import begin, status
from twin.local.services.sagemaker.listing import Listing
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record

_LISTING = Listing(
    "Endpoints",
    ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus"),
    "EndpointName",
    "EndpointStatus",
)
_SUMMARY_FIELDS = ("ManagedInstanceScaling", "RoutingConfig", "CapacityReservationConfig", "InstancePools")


def create_endpoint(state: SageMakerState, request: Record) -> Record:
    name = request["EndpointName"]
    state.require_new(state.endpoints, "endpoint", "endpoint", name)
    config = find_config(state, request["EndpointConfigName"])
    check_deployment(request.get("DeploymentConfig") or {})
    now = state.clock()
    record: Record = {
        "EndpointName": name,
        "EndpointArn": state.arn("endpoint", name),
        "EndpointConfigName": config["EndpointConfigName"],
        "CreationTime": now,
        "Variants": {variant["VariantName"]: _fresh(variant) for variant in config["ProductionVariants"]},
    }
    if request.get("DeploymentConfig"):
        record["LastDeploymentConfig"] = request["DeploymentConfig"]
    begin(record, "Creating", now, state.delays.endpoint_seconds)
    state.endpoints[name] = record
    state.set_tags(record["EndpointArn"], request.get("Tags"))
    return {"EndpointArn": record["EndpointArn"]}


def _fresh(variant: Record) -> Record:
    return {
        "DesiredInstanceCount": variant.get("InitialInstanceCount", 0),
        "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
    }


def find_endpoint(state: SageMakerState, name: str) -> Record:
    return state.require(state.endpoints, "endpoint", "endpoint", name)


def endpoint_status(state: SageMakerState, record: Record) -> str:
    return status(record, state.clock())


def variant_of(state: SageMakerState, endpoint: Record, name: str) -> Record:
    """The variant's part of the endpoint's configuration."""
    config = find_config(state, endpoint["EndpointConfigName"])
    for variant in config["ProductionVariants"]:
        if variant["VariantName"] == name:
            return dict(variant)
    raise validation_error(f"Variant {name} does not exist in endpoint {endpoint['EndpointName']}.")


def _require_settled(state: SageMakerState, record: Record) -> None:
    current = endpoint_status(state, record)
    if current != "InService":
        raise validation_error(f'Cannot update in-progress endpoint "{record["EndpointArn"]}" ({current}).')


def update_endpoint(state: SageMakerState, request: Record) -> Record:
    """Move an endpoint to another configuration.

    Counts and weights go back to the new configuration's initial values unless RetainAllVariantProperties
    is set, apart from the properties excluded from that.
    """
    record = find_endpoint(state, request["EndpointName"])
    _require_settled(state, record)
    config = find_config(state, request["EndpointConfigName"])
    check_deployment(request.get("DeploymentConfig") or {})
    _check_scaled_variants(state, record, config)
    retained = _retained(request)
    variants: dict[str, Record] = {}
    for variant in config["ProductionVariants"]:
        name = variant["VariantName"]
        before = record["Variants"].get(name, {})
        kept = {key: value for key, value in before.items() if key in retained}
        variants[name] = {**_fresh(variant), **kept}
    changed = {**record, "EndpointConfigName": config["EndpointConfigName"], "Variants": variants}
    if request.get("DeploymentConfig"):
        changed["LastDeploymentConfig"] = request["DeploymentConfig"]
    elif not request.get("RetainDeploymentConfig"):
        changed.pop("LastDeploymentConfig", None)
    begin(changed, "Updating", state.clock(), state.delays.endpoint_seconds)
    state.endpoints[record["EndpointName"]] = changed
    return {"EndpointArn": record["EndpointArn"]}


def _retained(request: Mapping[str, Any]) -> frozenset[str]:
    if not request.get("RetainAllVariantProperties"):
        return frozenset()
    excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties") or ()}
    return frozenset({"DesiredInstanceCount", "DesiredWeight"} - excluded)


def _check_scaled_variants(state: SageMakerState, record: Record, config: Record) -> None:
    """An autoscaled variant can neither go nor change its instance type."""
    after = {variant["VariantName"]: variant for variant in config["ProductionVariants"]}
    for name in state.scaled_variants(record["EndpointName"]):
        before = variant_of(state, record, name)
        if name not in after or instance_types(after[name]) != instance_types(before):
            raise validation_error(
                f"The variant(s) {name} must be deregistered as scalable target(s) with Application Auto "
                "Scaling before it is removed or its instance type changes."
            )


def update_weights_and_capacities(state: SageMakerState, request: Record) -> Record:
    record = find_endpoint(state, request["EndpointName"])
    _require_settled(state, record)
    variants = {name: dict(variant) for name, variant in record["Variants"].items()}
    for wanted in request["DesiredWeightsAndCapacities"]:
        name = wanted["VariantName"]
        if wanted.get("DesiredInstanceCount") == 0:
            _require_stoppable(state, record, name)
        variant_of(state, record, name)
        fields = {key: wanted[key] for key in ("DesiredInstanceCount", "DesiredWeight") if key in wanted}
        variants[name].update(fields)
    changed = {**record, "Variants": variants}
    begin(changed, "Updating", state.clock(), state.delays.endpoint_seconds)
    state.endpoints[record["EndpointName"]] = changed
    return {"EndpointArn": record["EndpointArn"]}


def _require_stoppable(state: SageMakerState, record: Record, name: str) -> None:
    """Only asynchronous endpoints, and those that host inference components, may have no instance."""
    config = find_config(state, record["EndpointConfigName"])
    if variant_of(state, record, name).get("ModelName") and not config.get("AsyncInferenceConfig"):
        raise validation_error(
            f"DesiredInstanceCount of variant {name} must be 1 or more: endpoint {record['EndpointName']} "
            "neither is asynchronous nor hosts inference components."
        )


def describe_endpoint(state: SageMakerState, request: Record) -> Record:
    record = find_endpoint(state, request["EndpointName"])
    config = find_config(state, record["EndpointConfigName"])
    names = ("EndpointName", "EndpointArn", "EndpointConfigName", "CreationTime", "LastModifiedTime")
    shown = {name: record[name] for name in (*names, "LastDeploymentConfig") if name in record}
    for name in ("AsyncInferenceConfig", "ExplainerConfig", "MetricsConfig"):
        if config.get(name):
            shown[name] = config[name]
    if config.get("DataCaptureConfig"):
        shown["DataCaptureConfig"] = _capture_summary(config["DataCaptureConfig"])
    variants = [_variant_summary(record, variant) for variant in config["ProductionVariants"]]
    return {**shown, "EndpointStatus": endpoint_status(state, record), "ProductionVariants": variants}


def _capture_summary(capture: Record) -> Record:
    enabled = capture.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }


def _variant_summary(record: Record, variant: Record) -> Record:
    desired = record["Variants"][variant["VariantName"]]
    summary: Record = {
        "VariantName": variant["VariantName"],
        "CurrentWeight": desired["DesiredWeight"],
        "DesiredWeight": desired["DesiredWeight"],
        "CurrentInstanceCount": desired["DesiredInstanceCount"],
        "DesiredInstanceCount": desired["DesiredInstanceCount"],
    }
    return {**summary, **{name: variant[name] for name in _SUMMARY_FIELDS if name in variant}}


def list_endpoints(state: SageMakerState, request: Record) -> Record:
    rows = ({**row, "EndpointStatus": endpoint_status(state, row)} for row in state.endpoints.values())
    return _LISTING.answer(rows, request)


def delete_endpoint(state: SageMakerState, request: Record) -> None:
    record = find_endpoint(state, request["EndpointName"])
    name = record["EndpointName"]
    hosted = [
        row["InferenceComponentName"] for row in state.components.values() if row["EndpointName"] == name
    ]
    if hosted:
        raise validation_error(
            f'Cannot delete endpoint "{record["EndpointArn"]}" while it hosts inference components: '
            f"{', '.join(hosted)}."
        )
    del state.endpoints[name]
    state.drop_tags(record["EndpointArn"])
    state.endpoint_deleted(name)
