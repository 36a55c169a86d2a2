"""CreateTransformJob and its siblings."""

from __future__ import annotations

from twin.local.services.errors import ServiceError, validation_error
from twin.local.services.sagemaker.listing import Listing
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record
from twin.local.services.transform.rules import check

_LISTING = Listing(
    "TransformJobSummaries",
    (
        "TransformJobName",
        "TransformJobArn",
        "CreationTime",
        "TransformEndTime",
        "LastModifiedTime",
        "TransformJobStatus",
        "FailureReason",
    ),
    "TransformJobName",
    "TransformJobStatus",
)


def create_transform_job(state: SageMakerState, request: Record) -> Record:
    """Store a job and begin it. Names of jobs are never free again."""
    name = request["TransformJobName"]
    arn = state.arn("transform-job", name)
    if name in state.transform_jobs:
        raise ServiceError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name already "
            f"exists ({arn})",
        )
    check(state, request)
    now = state.clock()
    state.transform_jobs[name] = {
        **{key: value for key, value in request.items() if key != "Tags"},
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **request["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **request["TransformOutput"]},
        "DataProcessing": {
            "InputFilter": "$",
            "OutputFilter": "$",
            "JoinSource": "None",
            **(request.get("DataProcessing") or {}),
        },
        "TransformJobArn": arn,
        "TransformJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    state.set_tags(arn, request.get("Tags"))
    state.transforms.begin(name)
    return {"TransformJobArn": arn}


def describe_transform_job(state: SageMakerState, request: Record) -> Record:
    record = _find(state, request["TransformJobName"])
    return {key: value for key, value in record.items() if key != "LastModifiedTime"}


def list_transform_jobs(state: SageMakerState, request: Record) -> Record:
    return _LISTING.answer(state.transform_jobs.values(), request)


def stop_transform_job(state: SageMakerState, request: Record) -> None:
    """Stop a job; one that is stopping already stays so."""
    record = _find(state, request["TransformJobName"])
    status = record["TransformJobStatus"]
    if status == "Stopping":
        return
    if status != "InProgress":
        raise validation_error(f"The request was rejected because the transform job is in status {status}.")
    state.transforms.stop(record["TransformJobName"])


def _find(state: SageMakerState, name: str) -> Record:
    if name not in state.transform_jobs:
        raise validation_error(f"Could not find requested job with name: {name}")
    return state.transform_jobs[name]
