"""Which model runs, from where, in which container."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import model_validator

from twin.settings.accelerators import DataType, Quantization
from twin.settings.base import Section, refuse, setting
from twin.settings.regions import PUBLISHER

InferenceAmi = Literal[
    "al2-ami-sagemaker-inference-gpu-2",
    "al2-ami-sagemaker-inference-gpu-2-1",
    "al2-ami-sagemaker-inference-gpu-3-1",
    "al2023-ami-sagemaker-inference-gpu-4-1",
]

AMI_CUDA: dict[InferenceAmi, tuple[int, int]] = {
    "al2-ami-sagemaker-inference-gpu-2": (12, 2),
    "al2-ami-sagemaker-inference-gpu-2-1": (12, 2),
    "al2-ami-sagemaker-inference-gpu-3-1": (12, 4),
    "al2023-ami-sagemaker-inference-gpu-4-1": (13, 0),
}
"""Newest CUDA version that the driver of each host image supports natively.

A driver also runs later minor versions of its own major version, never a later major version.
"""

_CUDA_IN_TAG = re.compile(r"-cu(\d+)(\d)-")
_S3_PREFIX = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^/]+/)+$"
_REGISTRY_VERSION = (
    r"^([1-9]\d*|arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/[A-Za-z0-9-]+/[1-9]\d*)$"
)
_KEY_ARN = r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$"


class ModelSource(Section):
    """Where the weights come from: an S3 prefix, or a version in the Model Registry."""

    s3_uri: str | None = setting(
        "S3 prefix that holds the uncompressed weights.",
        unit="S3 URI that ends with /",
        default=None,
        pattern=_S3_PREFIX,
        examples=["s3://my-models/llm-twin-8b/3/"],
    )
    registry_version: str | None = setting(
        "Version of this environment's model package group, or the ARN of a version in any account.",
        unit="version number or ARN",
        default=None,
        pattern=_REGISTRY_VERSION,
        examples=["3"],
    )
    artifacts_uri: str | None = setting(
        "S3 prefix that a registered version's weights are read from. "
        "Default: the models/ prefix of this environment's exchange bucket.",
        unit="S3 URI that ends with /",
        default=None,
        pattern=_S3_PREFIX,
        examples=["s3://shared-models/llm-twin-8b/"],
    )
    kms_key_arn: str | None = setting(
        "Key that encrypts weights kept outside this environment's buckets, where one does.",
        unit="ARN",
        default=None,
        pattern=_KEY_ARN,
        examples=["arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.s3_uri is None) == (self.registry_version is None):
            both = self.model_dump(include={"s3_uri", "registry_version"}, exclude_none=True)
            refuse("", both, "exactly one of s3_uri and registry_version")
        if self.artifacts_uri is not None and self.registry_version is None:
            refuse(
                "artifacts_uri", self.artifacts_uri, "no value beside s3_uri; it belongs to registry_version"
            )
        return self

    @property
    def weights_uri(self) -> str | None:
        """The S3 prefix that the endpoint reads, or None for the exchange bucket's."""
        return self.s3_uri or self.artifacts_uri


class ContainerImage(Section):
    """AWS's vLLM container and the host image whose driver it needs."""

    account: str = setting(
        "Account that publishes the image; AWS has another one in some regions.",
        unit="AWS account id",
        default=PUBLISHER,
        pattern=r"^\d{12}$",
    )
    repository: str = setting(
        "Repository of the image.", unit="ECR repository name", default="vllm", pattern=r"^[a-z0-9._/-]+$"
    )
    tag: str = setting(
        "Tag of the image. It names its CUDA version; a floating tag would change under a deployed endpoint.",
        unit="image tag",
        pattern=r"^[\w.-]+-cu\d{3}-[\w.-]+$",
        examples=["0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker"],
    )
    inference_ami: InferenceAmi = setting("Host image of the instances.", unit="inference AMI version")

    @property
    def cuda(self) -> tuple[int, int]:
        """CUDA version that the tag names: cu130 is (13, 0)."""
        match = _CUDA_IN_TAG.search(self.tag)
        if match is None:
            raise ValueError(f"tag {self.tag!r} names no CUDA version")
        return int(match[1]), int(match[2])

    @model_validator(mode="after")
    def _driver_runs_image(self) -> Self:
        major, minor = self.cuda
        if AMI_CUDA[self.inference_ami][0] < major:
            able = [ami for ami, cuda in AMI_CUDA.items() if cuda[0] >= major]
            refuse(
                "inference_ami",
                self.inference_ami,
                f"{' or '.join(able) or 'none'}, because the image is built for CUDA {major}.{minor}",
            )
        return self


class ModelSettings(Section):
    """The model, and how vLLM serves it."""

    id: str = setting(
        "Name that clients send as 'model'.",
        unit="name",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$",
        examples=["llm-twin-8b"],
    )
    source: ModelSource = setting("Where the weights come from.", unit="section")
    image: ContainerImage = setting("Container that serves the model.", unit="section")
    max_model_len: int = setting(
        "Longest prompt and completion together.", unit="tokens", ge=512, le=1_048_576
    )
    max_num_seqs: int = setting("Sequences that one copy generates at once.", unit="requests", ge=1, le=1024)
    dtype: DataType = setting("Number format of the activations.", unit="vLLM dtype", default="bfloat16")
    quantization: Quantization = setting("Number format of the weights.", unit="vLLM method", default="none")
    gpu_memory_utilization: float = setting(
        "Share of the GPU memory that vLLM takes for weights and KV cache.",
        unit="fraction",
        default=0.9,
        ge=0.1,
        le=0.97,
    )
    prefix_caching: bool = setting(
        "Keep the KV cache of shared prompt beginnings (the persona) between requests.",
        unit="switch",
        default=True,
    )
