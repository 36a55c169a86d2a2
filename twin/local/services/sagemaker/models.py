"""CreateModel and its siblings."""

from __future__ import annotations

from twin.local.services.errors import validation_error
from twin.local.services.sagemaker.listing import Listing
from twin.local.services.sagemaker.packages import find_package
from twin.local.services.sagemaker.state import SageMakerState, exactly_one
from twin.local.services.storage import Record

_LISTING = Listing("Models", ("ModelName", "ModelArn", "CreationTime"), "ModelName")


def create_model(state: SageMakerState, request: Record) -> Record:
    name = request["ModelName"]
    state.require_new(state.models, "model", "model", name)
    containers = _containers(request)
    for container in containers:
        _check_container(state, container)
    state.require_role(request.get("ExecutionRoleArn"))
    arn = state.arn("model", name)
    body = {key: value for key, value in request.items() if key != "Tags"}
    state.models[name] = {
        "EnableNetworkIsolation": False,
        **body,
        "ModelArn": arn,
        "CreationTime": state.clock(),
    }
    state.set_tags(arn, request.get("Tags"))
    return {"ModelArn": arn}


def _containers(request: Record) -> list[Record]:
    if exactly_one(request, "PrimaryContainer", "Containers") == "PrimaryContainer":
        return [request["PrimaryContainer"]]
    return list(request["Containers"])


def _check_container(state: SageMakerState, container: Record) -> None:
    package = container.get("ModelPackageName")
    if (package is None) == (container.get("Image") is None):
        raise validation_error("A container needs exactly one of Image and ModelPackageName.")
    if container.get("ModelDataUrl") and container.get("ModelDataSource"):
        raise validation_error("A container takes only one of ModelDataUrl and ModelDataSource.")
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source and source["S3DataType"] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        raise validation_error(f"S3Uri must end with a forward slash for S3Prefix, found {source['S3Uri']}")
    if package is not None and find_package(state, package)["ModelApprovalStatus"] != "Approved":
        raise validation_error(
            f"Model package {package} is not approved: only an Approved one can be deployed."
        )


def describe_model(state: SageMakerState, request: Record) -> Record:
    return dict(state.require(state.models, "model", "model", request["ModelName"]))


def list_models(state: SageMakerState, request: Record) -> Record:
    return _LISTING.answer(state.models.values(), request)


def delete_model(state: SageMakerState, request: Record) -> None:
    state.require(state.models, "model", "model", request["ModelName"])
    del state.models[request["ModelName"]]
    state.drop_tags(state.arn("model", request["ModelName"]))


def model_environment(state: SageMakerState, name: str) -> dict[str, str]:
    """Environment variables of a model's first container; those of its package come first."""
    model = state.require(state.models, "model", "model", name)
    container = _containers(model)[0]
    inherited: dict[str, str] = {}
    if container.get("ModelPackageName"):
        package = find_package(state, container["ModelPackageName"])
        specified = (package.get("InferenceSpecification") or {}).get("Containers") or [{}]
        inherited = specified[0].get("Environment") or {}
    return {**inherited, **(container.get("Environment") or {})}
