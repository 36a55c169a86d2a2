"""Regions in which every part of an environment exists, and who publishes the model's image there.

Sources, read 2026-11-22: CloudFormation's resource types by region, as cfn-lint 1.58.0 carries them (what is
missing elsewhere is `AWS::SageMaker::InferenceComponent`, in places S3 Vectors too); the registries of the
`vllm` images in `sagemaker-core` 2.27.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PUBLISHER = "763104351884"

IMAGE_PUBLISHERS: Mapping[str, str] = MappingProxyType(
    {
        "ap-northeast-1": PUBLISHER,
        "ap-northeast-2": PUBLISHER,
        "ap-south-1": PUBLISHER,
        "ap-southeast-1": PUBLISHER,
        "ap-southeast-2": PUBLISHER,
        "ap-southeast-3": "907027046896",
        "ca-central-1": PUBLISHER,
        "eu-central-1": PUBLISHER,
        "eu-north-1": PUBLISHER,
        "eu-west-1": PUBLISHER,
        "eu-west-2": PUBLISHER,
        "me-south-1": "217643126080",
        "sa-east-1": PUBLISHER,
        "us-east-1": PUBLISHER,
        "us-east-2": PUBLISHER,
        "us-west-2": PUBLISHER,
    }
)
