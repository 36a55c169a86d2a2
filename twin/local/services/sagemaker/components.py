"""Inference components."""

from __future__ import annotations

from twin.local.services.errors import validation_error
from twin.local.services.sagemaker.endpoints import endpoint_status, find_endpoint, variant_of
from twin.local.services.sagemaker.lifecycle import begin, status
from twin.local.services.sagemaker.listing import Listing
from twin.local.services.sagemaker.models import model_environment
from twin.local.services.sagemaker.state import SageMakerState, exactly_one
from twin.local.services.storage import Record

_LISTING = Listing(
    "InferenceComponents",
    (
        "InferenceComponentName",
        "InferenceComponentArn",
        "EndpointArn",
        "EndpointName",
        "VariantName",
        "InferenceComponentStatus",
        "CreationTime",
        "LastModifiedTime",
    ),
    "InferenceComponentName",
    "InferenceComponentStatus",
)


def create_component(state: SageMakerState, request: Record) -> Record:
    name = request["InferenceComponentName"]
    state.require_new(state.components, "inference-component", "inference component", name)
    endpoint = find_endpoint(state, request["EndpointName"])
    current = endpoint_status(state, endpoint)
    if current not in ("InService", "Updating"):
        raise validation_error(
            f'Cannot create inference component while endpoint "{endpoint["EndpointArn"]}" is {current}.'
        )
    variant = _variant_name(state, endpoint, request)
    specifications = _specifications(state, request, endpoint["EndpointName"])
    now = state.clock()
    record: Record = {
        "InferenceComponentName": name,
        "InferenceComponentArn": state.arn("inference-component", name),
        "EndpointName": endpoint["EndpointName"],
        "EndpointArn": endpoint["EndpointArn"],
        "VariantName": variant,
        "CreationTime": now,
        "CopyCount": (request.get("RuntimeConfig") or {}).get("CopyCount", 1),
        **specifications,
    }
    begin(record, "Creating", now, state.delays.inference_component_seconds)
    state.components[name] = record
    state.set_tags(record["InferenceComponentArn"], request.get("Tags"))
    return {"InferenceComponentArn": record["InferenceComponentArn"]}


def _variant_name(state: SageMakerState, endpoint: Record, request: Record) -> str:
    """The variant that hosts the component: named, the base component's, or the endpoint's only one."""
    name = request.get("VariantName")
    if name is None:
        base = (request.get("Specification") or {}).get("BaseInferenceComponentName")
        names = list(endpoint["Variants"])
        if base is None and len(names) != 1:
            raise validation_error("VariantName is required: the endpoint has several production variants.")
        name = names[0] if base is None else find_component(state, base)["VariantName"]
    variant = variant_of(state, endpoint, name)
    if variant.get("ModelName"):
        raise validation_error(
            f"Variant {name} of endpoint {endpoint['EndpointName']} hosts the model {variant['ModelName']}: "
            "inference components need a variant without ModelName."
        )
    return str(name)


def _specifications(state: SageMakerState, request: Record, endpoint: str) -> Record:
    """`{"Specification": …}` or `{"Specifications": […]}`, checked."""
    given = exactly_one(request, "Specification", "Specifications")
    listed = [request["Specification"]] if given == "Specification" else request["Specifications"]
    if given == "Specifications":
        types = [specification.get("InstanceType") for specification in listed]
        if None in types or len(set(types)) != len(types):
            raise validation_error("Each of Specifications needs an InstanceType of its own.")
    for specification in listed:
        _check_specification(state, specification, endpoint)
    return {given: request[given]}


def _check_specification(state: SageMakerState, specification: Record, endpoint: str) -> None:
    base = specification.get("BaseInferenceComponentName")
    if base is not None:
        if find_component(state, base)["EndpointName"] != endpoint:
            raise validation_error(f"Base inference component {base} is not on endpoint {endpoint}.")
        if specification.get("ComputeResourceRequirements"):
            raise validation_error("An adapter component takes no ComputeResourceRequirements of its own.")
        return
    if exactly_one(specification, "ModelName", "Container") == "ModelName":
        state.require(state.models, "model", "model", specification["ModelName"])
    requirements = specification.get("ComputeResourceRequirements")
    if not requirements:
        raise validation_error("ComputeResourceRequirements is required.")
    least, most = requirements["MinMemoryRequiredInMb"], requirements.get("MaxMemoryRequiredInMb")
    if most is not None and most < least:
        raise validation_error(f"MaxMemoryRequiredInMb {most} is below MinMemoryRequiredInMb {least}.")


def find_component(state: SageMakerState, name: str) -> Record:
    return state.require(state.components, "inference-component", "inference component", name)


def component_status(state: SageMakerState, record: Record) -> str:
    return status(record, state.clock())


def describe_component(state: SageMakerState, request: Record) -> Record:
    record = find_component(state, request["InferenceComponentName"])
    hidden = ("CopyCount", "Status", "SettledTime", "RunningCopyCount")
    shown = {name: value for name, value in record.items() if name not in hidden}
    if "Specification" in record:
        shown["Specification"] = _specification_summary(record["Specification"])
    else:
        shown["Specifications"] = [_specification_summary(item) for item in record["Specifications"]]
    counts = {"DesiredCopyCount": record["CopyCount"], "CurrentCopyCount": running_copies(state, record)}
    return {**shown, "InferenceComponentStatus": component_status(state, record), "RuntimeConfig": counts}


def _specification_summary(specification: Record) -> Record:
    """What Describe shows: a container's image as the deployed one."""
    container = specification.get("Container") or {}
    if "Image" not in container:
        return specification
    image = {"SpecifiedImage": container["Image"], "ResolvedImage": container["Image"]}
    rest = {name: value for name, value in container.items() if name != "Image"}
    return {**specification, "Container": {**rest, "DeployedImage": image}}


def running_copies(state: SageMakerState, record: Record) -> int:
    """Copies that take requests now: the old number while an update is under way."""
    if component_status(state, record) == "InService":
        return int(record["CopyCount"])
    return int(record.get("RunningCopyCount", 0))


def list_components(state: SageMakerState, request: Record) -> Record:
    rows = [
        {**row, "InferenceComponentStatus": component_status(state, row)}
        for row in state.components.values()
        if request.get("EndpointNameEquals") in (None, row["EndpointName"])
        and request.get("VariantNameEquals") in (None, row["VariantName"])
    ]
    return _LISTING.answer(rows, request)


def update_component(state: SageMakerState, request: Record) -> Record:
    record = find_component(state, request["InferenceComponentName"])
    changed = dict(record)
    if request.get("Specification") or request.get("Specifications"):
        specifications = _specifications(state, request, record["EndpointName"])
        changed = {
            key: value for key, value in record.items() if key not in ("Specification", "Specifications")
        }
        changed |= specifications
    if request.get("DeploymentConfig"):
        changed["LastDeploymentConfig"] = request["DeploymentConfig"]
    if request.get("RuntimeConfig"):
        changed["CopyCount"] = request["RuntimeConfig"]["CopyCount"]
    return _store_update(state, record, changed)


def update_runtime_config(state: SageMakerState, request: Record) -> Record:
    record = find_component(state, request["InferenceComponentName"])
    return _store_update(state, record, {**record, "CopyCount": request["DesiredRuntimeConfig"]["CopyCount"]})


def _store_update(state: SageMakerState, record: Record, changed: Record) -> Record:
    current = component_status(state, record)
    if current != "InService":
        raise validation_error(
            f'Cannot update inference component "{record["InferenceComponentArn"]}" while it is {current}.'
        )
    changed["RunningCopyCount"] = record["CopyCount"]
    begin(changed, "Updating", state.clock(), state.delays.inference_component_seconds)
    state.components[record["InferenceComponentName"]] = changed
    return {"InferenceComponentArn": record["InferenceComponentArn"]}


def delete_component(state: SageMakerState, request: Record) -> None:
    record = find_component(state, request["InferenceComponentName"])
    name = record["InferenceComponentName"]
    adapters = [
        row["InferenceComponentName"]
        for row in state.components.values()
        if (row.get("Specification") or {}).get("BaseInferenceComponentName") == name
    ]
    if adapters:
        raise validation_error(f"Cannot delete inference component {name}: base of {', '.join(adapters)}.")
    del state.components[name]
    state.drop_tags(record["InferenceComponentArn"])


def component_environment(state: SageMakerState, record: Record) -> dict[str, str]:
    """Environment variables of the component's container, on its first instance type."""
    specification = record.get("Specification") or record["Specifications"][0]
    base = specification.get("BaseInferenceComponentName")
    if base is not None:
        return component_environment(state, find_component(state, base))
    if specification.get("ModelName"):
        return model_environment(state, specification["ModelName"])
    return dict((specification.get("Container") or {}).get("Environment") or {})
