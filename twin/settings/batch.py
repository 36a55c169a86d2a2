"""The batch deployment: a transform job for each batch, and what prepares and joins it.

The limits are those of SageMaker's CreateTransformJob, read 2026-11-22.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from twin.settings.accelerators import (
    FP8_ARCHITECTURES,
    INSTANCE_TYPES,
    InstanceType,
    runs_dtype,
    runs_quantization,
)
from twin.settings.base import CONFLICT, Section, refuse, setting
from twin.settings.model import ModelSettings
from twin.settings.nearest import nearest
from twin.settings.regions import IMAGE_PUBLISHERS, PUBLISHER

TransformAmi = Literal["al2-ami-sagemaker-batch-gpu-470", "al2-ami-sagemaker-batch-gpu-535"]

TRANSFORM_AMI_CUDA: dict[TransformAmi, tuple[int, int]] = {
    "al2-ami-sagemaker-batch-gpu-470": (11, 8),
    "al2-ami-sagemaker-batch-gpu-535": (12, 8),
}
"""Newest CUDA version whose images run on each host image of batch transform.

A driver runs later minor versions of its own major version; driver 535 has been seen to refuse 12.9.
"""

_FAMILIES = ("ml.g4dn.", "ml.g5.", "ml.g6.", "ml.g6e.")
TRANSFORM_INSTANCE_TYPES: tuple[str, ...] = tuple(
    name for name in INSTANCE_TYPES if name.startswith(_FAMILIES)
)
"""GPU types of `TransformInstanceType` that vLLM runs on. All have NVMe disks, so none takes a volume key."""

MOST_MIB_IN_FLIGHT = 100
"""SageMaker's limit on MaxConcurrentTransforms times MaxPayloadInMB."""

_OTHER_STEPS_SHARE = 8
_CUDA_IN_TAG = re.compile(r"-cu(\d+)(\d)(?:-|$)")
_SECONDS_PER_HOUR = 3600


def _transform_gpu_type(name: str) -> str:
    if name not in TRANSFORM_INSTANCE_TYPES:
        accepted = (
            "a GPU type that SageMaker runs batch transform on (families g4dn, g5, g6, g6e), "
            f"such as {nearest(name, TRANSFORM_INSTANCE_TYPES)}"
        )
        raise PydanticCustomError(
            CONFLICT, "{key}: {accepted}", {"key": "", "value": name, "accepted": accepted}
        )
    return name


class TransformImage(Section):
    """The container of the transform job: AWS's LMI image, or its vLLM image for CUDA 12."""

    account: str = setting(
        "Account that publishes the image; AWS has another one in some regions.",
        unit="AWS account id",
        default=PUBLISHER,
        pattern=r"^\d{12}$",
    )
    repository: str = setting(
        "Repository of the image. Its last part tells which variables configure the container: "
        "OPTION_* for djl-inference, SM_VLLM_* for vllm.",
        unit="ECR repository name",
        default="djl-inference",
        pattern=r"^([a-z0-9._-]+/)*(djl-inference|vllm)$",
        examples=["djl-inference", "vllm"],
    )
    tag: str = setting(
        "Tag of the image. It names its CUDA version; the hosts of batch transform run none after 12.8.",
        unit="image tag",
        default="0.36.0-lmi20.0.0-cu128",
        pattern=r"^[\w.-]+-cu\d{3}(-[\w.-]+)?$",
        examples=["0.36.0-lmi20.0.0-cu128"],
    )

    @property
    def is_lmi(self) -> bool:
        """Whether the container is configured as LMI, otherwise as vLLM."""
        return self.repository.endswith("djl-inference")

    @property
    def cuda(self) -> tuple[int, int]:
        """CUDA version that the tag names: cu128 is (12, 8)."""
        match = _CUDA_IN_TAG.search(self.tag)
        if match is None:
            raise ValueError(f"tag {self.tag!r} names no CUDA version")
        return int(match[1]), int(match[2])


class BatchSettings(Section):
    """Batches: how lines become shards, and how a transform job answers them."""

    instance_type: Annotated[str, AfterValidator(_transform_gpu_type)] = setting(
        "GPU instance type of the transform job; the model spans all of its GPUs.",
        unit="SageMaker instance type",
    )
    instances: int = setting("Instances of a transform job.", unit="instances", default=1, ge=1, le=100)
    image: TransformImage = setting(
        "Container that runs the model.", unit="section", default=TransformImage()
    )
    transform_ami: TransformAmi = setting(
        "Host image of the instances.",
        unit="transform AMI version",
        default="al2-ami-sagemaker-batch-gpu-535",
    )
    model_data_url: str = setting(
        "The weights as one compressed archive: batch transform reads no S3 prefix.",
        unit="S3 URI of a .tar.gz",
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^/*?]+/)*[^/*?]+\.tar\.gz$",
        examples=["s3://my-models/llm-twin-8b/3/model.tar.gz"],
    )
    concurrent_requests_per_instance: int = setting(
        "Lines that each instance works on at once.", unit="requests", default=16, ge=1, le=100
    )
    max_payload_mib: int = setting("Longest request for the model.", unit="MiB", default=6, ge=1, le=100)
    invocation_timeout_seconds: int = setting(
        "Longest time for one answer of the model.", unit="seconds", default=600, ge=1, le=3600
    )
    invocation_retries: int = setting(
        "Further attempts at a line; when the last one fails, its shard has no results.",
        unit="attempts",
        default=3,
        ge=0,
        le=3,
    )
    lines_per_shard: int = setting(
        "Lines of a shard: what one function augments at once, and what one failing line costs.",
        unit="lines",
        default=250,
        ge=10,
        le=2000,
    )
    augment_concurrency: int = setting(
        "Shards augmented with retrieval at once.", unit="executions", default=10, ge=1, le=1000
    )
    max_lines: int = setting("Most lines of a batch.", unit="lines", default=50_000, ge=1, le=50_000)
    timeout_hours: int = setting(
        "Longest time for a batch; its last eighth is kept for the steps behind the transform job.",
        unit="hours",
        default=24,
        ge=1,
        le=24,
    )

    @property
    def instance(self) -> InstanceType:
        """The instance type with its GPUs."""
        return INSTANCE_TYPES[self.instance_type]

    @property
    def timeout_seconds(self) -> int:
        """Longest time for a batch."""
        return self.timeout_hours * _SECONDS_PER_HOUR

    @property
    def transform_timeout_seconds(self) -> int:
        """Time from a batch's beginning to its transform job's end, so that what there is can be joined."""
        return self.timeout_seconds - self.timeout_seconds // _OTHER_STEPS_SHARE

    @model_validator(mode="after")
    def _payloads_in_flight_within_limit(self) -> Self:
        most = MOST_MIB_IN_FLIGHT // self.max_payload_mib
        if self.concurrent_requests_per_instance > most:
            refuse(
                "concurrent_requests_per_instance",
                self.concurrent_requests_per_instance,
                f"at most {most}: with max_payload_mib {self.max_payload_mib}, more would pass "
                f"SageMaker's {MOST_MIB_IN_FLIGHT} MiB in flight",
            )
        return self

    @model_validator(mode="after")
    def _driver_runs_image(self) -> Self:
        cuda = self.image.cuda
        able = [ami for ami, newest in TRANSFORM_AMI_CUDA.items() if cuda <= newest]
        if not able:
            newest = max(TRANSFORM_AMI_CUDA.values())
            refuse(
                "image.tag",
                self.image.tag,
                f"an image for CUDA {_dotted(newest)} or older, such as {TransformImage().tag}: "
                "the drivers of batch transform's hosts run none that is newer",
            )
        if self.transform_ami not in able:
            refuse(
                "transform_ami",
                self.transform_ami,
                f"{' or '.join(able)}, because the image is built for CUDA {_dotted(cuda)}",
            )
        return self


def check_batch(batch: BatchSettings, *, model: ModelSettings, region: str) -> None:
    """Refuse a batch deployment that cannot run the environment's model. Keys are the environment's."""
    instance = batch.instance
    if not runs_quantization(instance, model.quantization):
        refuse(
            "model.quantization",
            model.quantization,
            f"none, awq, gptq or bitsandbytes while batch.instance_type is {instance.name} "
            f"({instance.gpu}, {instance.architecture}); "
            f"fp8 runs on {', '.join(sorted(FP8_ARCHITECTURES))}",
        )
    if not runs_dtype(instance, model.dtype):
        refuse(
            "model.dtype",
            model.dtype,
            f"float16 while batch.instance_type is {instance.name} "
            f"({instance.gpu}, {instance.architecture}), which has no bfloat16",
        )
    if batch.concurrent_requests_per_instance > model.max_num_seqs:
        refuse(
            "batch.concurrent_requests_per_instance",
            batch.concurrent_requests_per_instance,
            f"at most model.max_num_seqs, which is {model.max_num_seqs}; more would wait",
        )
    publisher = IMAGE_PUBLISHERS[region]
    if batch.image.account != publisher and batch.image.account in IMAGE_PUBLISHERS.values():
        refuse(
            "batch.image.account",
            batch.image.account,
            f"{publisher}, under which AWS publishes the image in {region}, or an account of yours",
        )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
