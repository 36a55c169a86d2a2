"""What a transform job's record asks for, with SageMaker's defaults filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twin.local.services.models import Container
from twin.local.services.objects import Objects, parse_uri
from twin.local.services.sagemaker.models import model_environment
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record
from twin.local.services.transform.processing import Processing

DEFAULT_CONCURRENCY = 1
DEFAULT_PAYLOAD_MB = 6
DEFAULT_TIMEOUT_SECONDS = 600
DEFAULT_RETRIES = 3
_MEGABYTE = 1024 * 1024


class InputError(Exception):
    """Input that is not there or not readable as the job says."""


@dataclass(frozen=True, slots=True)
class InputObject:
    """An object to transform, and where below the output path its answers go."""

    bucket: str
    key: str
    name: str

    @property
    def address(self) -> str:
        """As the job's log names it."""
        return f"{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One job: `concurrency` is per instance, `payload_bytes` None for no limit."""

    name: str
    role: str
    container: Container
    processing: Processing
    splits: bool
    batches: bool
    gzipped: bool
    assembles_lines: bool
    instances: int
    concurrency: int
    payload_bytes: int | None
    timeout_seconds: float
    attempts: int
    data_type: str
    input_uri: str
    output_uri: str
    output_type: str
    output_key: str | None

    @classmethod
    def of(cls, state: SageMakerState, record: Record) -> Plan:
        """The plan of a stored job; raises ServiceError when its model is gone."""
        source, target = record["TransformInput"], record["TransformOutput"]
        client = record.get("ModelClientConfig") or {}
        payload = record.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)
        splits = source.get("SplitType", "None") != "None"
        environment = {
            **model_environment(state, record["ModelName"]),
            **(record.get("Environment") or {}),
        }
        return cls(
            name=record["TransformJobName"],
            role=state.models[record["ModelName"]].get("ExecutionRoleArn", ""),
            container=Container(environment),
            processing=Processing.parse(record.get("DataProcessing") or {}),
            splits=splits,
            batches=splits and record.get("BatchStrategy", "MultiRecord") == "MultiRecord",
            gzipped=source.get("CompressionType") == "Gzip",
            assembles_lines=target.get("AssembleWith") == "Line",
            instances=record["TransformResources"]["InstanceCount"],
            concurrency=record.get("MaxConcurrentTransforms") or DEFAULT_CONCURRENCY,
            payload_bytes=payload * _MEGABYTE or None,
            timeout_seconds=client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_SECONDS),
            attempts=1 + client.get("InvocationsMaxRetries", DEFAULT_RETRIES),
            data_type=source["DataSource"]["S3DataSource"]["S3DataType"],
            input_uri=source["DataSource"]["S3DataSource"]["S3Uri"],
            output_uri=target["S3OutputPath"],
            output_type=target.get("Accept") or source.get("ContentType") or "application/octet-stream",
            output_key=target.get("KmsKeyId") or None,
        )

    def target(self, source: InputObject) -> tuple[str, str]:
        """Bucket and key of an object's answers."""
        bucket, prefix = parse_uri(self.output_uri)
        folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        return bucket, f"{folder}{source.name}.out"


def find_inputs(plan: Plan, objects: Objects) -> list[InputObject]:
    """The objects of the job's input in ascending order; raises InputError when there are none."""
    found = _of_manifest(plan, objects) if plan.data_type == "ManifestFile" else _of_prefix(plan, objects)
    if not found:
        bucket, _ = parse_uri(plan.input_uri)
        raise InputError(
            f'No S3 objects found under S3 URL "{plan.input_uri}" given in input data source. Please ensure '
            "that the bucket exists in the selected region, that objects exist under that S3 prefix, and "
            f'that the role "{plan.role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )
    return found


def _of_prefix(plan: Plan, objects: Objects) -> list[InputObject]:
    """Names are relative to the last folder of the prefix."""
    bucket, prefix = parse_uri(plan.input_uri)
    folder = prefix[: prefix.rfind("/") + 1]
    return [
        InputObject(bucket, key, key.removeprefix(folder))
        for key, _ in objects.list(bucket, prefix)
        if not key.endswith("/")
    ]


def _of_manifest(plan: Plan, objects: Objects) -> list[InputObject]:
    """A JSON list: `{"prefix": "s3://…/"}`, then names below it."""
    content = objects.get(*parse_uri(plan.input_uri))
    if content is None:
        return []
    try:
        prefix, *names = json.loads(content)
        bucket, folder = parse_uri(prefix["prefix"])
        return [InputObject(bucket, folder + name, name) for name in names]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"The manifest {plan.input_uri} is not valid: {error}") from None


def describe_settings(plan: Plan) -> Mapping[str, Any]:
    """The settings that head a job's log."""
    payload = (plan.payload_bytes or 0) // _MEGABYTE
    strategy = "MULTI_RECORD" if plan.batches else "SINGLE_RECORD"
    return {
        "MaxConcurrentTransforms": plan.concurrency,
        "MaxPayloadInMB": payload,
        "BatchStrategy": strategy,
    }
