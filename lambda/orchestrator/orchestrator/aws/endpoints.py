"""Where each service is: AWS's address in the region, or the one that the standard variables name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST_PREFIXES = {"sagemaker_runtime": "runtime.sagemaker", "s3vectors": "s3vectors"}
_SUFFIXES = {"sagemaker_runtime": "amazonaws.com", "s3vectors": "api.aws"}
"""S3 Vectors has no host below amazonaws.com."""

_SUFFIXES_IN_CHINA = {"sagemaker_runtime": "amazonaws.com.cn", "s3vectors": "api.amazonwebservices.com.cn"}


def endpoint_url(service: str, region: str, variables: Mapping[str, str] = os.environ) -> str:
    """Base URL without a trailing slash.

    `AWS_ENDPOINT_URL_<SERVICE>` wins over `AWS_ENDPOINT_URL`, as in the AWS SDKs. `service` is
    `sagemaker_runtime` or `s3vectors`.
    """
    configured = variables.get(f"AWS_ENDPOINT_URL_{service.upper()}") or variables.get("AWS_ENDPOINT_URL")
    if configured:
        return configured.rstrip("/")
    suffixes = _SUFFIXES_IN_CHINA if region.startswith("cn-") else _SUFFIXES
    return f"https://{_HOST_PREFIXES[service]}.{region}.{suffixes[service]}"
