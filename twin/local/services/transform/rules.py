"""SageMaker's rules for CreateTransformJob beyond the shapes of its input."""

from __future__ import annotations

from collections.abc import Iterator

from twin.local.services.errors import validation_error
from twin.local.services.objects import parse_uri
from twin.local.services.sagemaker.packages import find_package
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record
from twin.local.services.transform.jsonpath import JsonPathError
from twin.local.services.transform.plan import DEFAULT_CONCURRENCY, DEFAULT_PAYLOAD_MB
from twin.local.services.transform.processing import Processing

_MAX_OUTSTANDING_MB = 100
_LOCAL_STORAGE = frozenset({"g4dn", "g5", "g6", "g6e", "trn1"})


def check(state: SageMakerState, request: Record) -> None:
    """Raise the ValidationException that a request deserves."""
    _check_model(state, request["ModelName"])
    _check_payload(request)
    _check_resources(request["TransformResources"])
    _check_addresses(request)
    _check_splitting(request)
    _check_processing(request)


def _check_model(state: SageMakerState, name: str) -> None:
    model = state.require(state.models, "model", "model", name)
    for container in _containers(state, model):
        if container.get("ModelDataSource"):
            raise validation_error(
                f'Model "{model["ModelArn"]}" uses ModelDataSource, which batch transform does not support. '
                "Use ModelDataUrl."
            )
    role = model.get("ExecutionRoleArn")
    if not role:
        raise validation_error(f'Model "{model["ModelArn"]}" has no ExecutionRoleArn for the transform job.')
    state.require_role(role)


def _containers(state: SageMakerState, model: Record) -> Iterator[Record]:
    """The model's containers, and those of the model packages that it names."""
    for container in [model["PrimaryContainer"]] if "PrimaryContainer" in model else model["Containers"]:
        yield container
        if container.get("ModelPackageName"):
            package = find_package(state, container["ModelPackageName"])
            yield from (package.get("InferenceSpecification") or {}).get("Containers") or []


def _check_payload(request: Record) -> None:
    concurrency = request.get("MaxConcurrentTransforms") or DEFAULT_CONCURRENCY
    payload = request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)
    if payload > _MAX_OUTSTANDING_MB or concurrency * payload > _MAX_OUTSTANDING_MB:
        raise validation_error(
            f"MaxConcurrentTransforms ({concurrency}) * MaxPayloadInMB ({payload}) must not exceed "
            f"{_MAX_OUTSTANDING_MB} MB."
        )


def _check_resources(resources: Record) -> None:
    instance = resources["InstanceType"]
    if resources.get("VolumeKmsKeyId") and instance.split(".")[1] in _LOCAL_STORAGE:
        raise validation_error(
            f"VolumeKmsKeyId cannot be specified for {instance}: its local storage is encrypted by hardware."
        )


def _check_addresses(request: Record) -> None:
    source = request["TransformInput"]["DataSource"].get("S3DataSource")
    if source is None:
        raise validation_error("TransformInput.DataSource requires S3DataSource.")
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise validation_error(f"S3DataType {source['S3DataType']} is not supported for transform jobs.")
    for uri in (source["S3Uri"], request["TransformOutput"]["S3OutputPath"]):
        try:
            parse_uri(uri)
        except ValueError as error:
            raise validation_error(f"Invalid S3 URI: {error}") from None


def _check_splitting(request: Record) -> None:
    split = request["TransformInput"].get("SplitType", "None")
    if split in ("RecordIO", "TFRecord"):
        raise validation_error(f"The local cloud does not split {split}: expected SplitType None or Line.")
    if request.get("BatchStrategy") == "MultiRecord" and split == "None":
        raise validation_error(
            "BatchStrategy MultiRecord requires SplitType Line, RecordIO or TFRecord, found None."
        )


def _check_processing(request: Record) -> None:
    given = request.get("DataProcessing") or {}
    source, target = request["TransformInput"], request["TransformOutput"]
    try:
        processing = Processing.parse(given)
    except JsonPathError as error:
        raise validation_error(f"Invalid JSONPath in DataProcessing: {error}") from None
    if processing.is_plain:
        return
    for name, kind in (("ContentType", source.get("ContentType")), ("Accept", target.get("Accept"))):
        if not _is_json(kind):
            raise validation_error(f"DataProcessing requires {name} application/json, found {kind}.")
    split, assembly = source.get("SplitType", "None"), target.get("AssembleWith", "None")
    if processing.joins and split != assembly:
        raise validation_error(
            f"JoinSource Input requires AssembleWith to match SplitType, found {assembly} and {split}."
        )


def _is_json(kind: str | None) -> bool:
    return kind is not None and kind.partition(";")[0].strip() in (
        "application/json",
        "application/jsonlines",
    )
