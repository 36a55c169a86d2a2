"""Where each service is: AWS's address in the region, or the one that the standard variables name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOSTS = {
    "dynamodb": "dynamodb",
    "s3": "s3",
    "s3vectors": "s3vectors",
    "sagemaker": "api.sagemaker",
    "sagemaker_runtime": "runtime.sagemaker",
    "sfn": "states",
    "sqs": "sqs",
}
"""First part of the host of each service, by the name that the standard variables give it."""

SERVICES = frozenset(_HOSTS)

_AMAZONAWS = "amazonaws.com"
_API = "api.aws"
_IN_CHINA = {_AMAZONAWS: "amazonaws.com.cn", _API: "api.amazonwebservices.com.cn"}


def endpoint_url(service: str, region: str, variables: Mapping[str, str] = os.environ) -> str:
    """Base URL without a trailing slash.

    `AWS_ENDPOINT_URL_<SERVICE>` wins over `AWS_ENDPOINT_URL`, as in the AWS SDKs.
    """
    return _configured(service, variables) or f"https://{_host(service, region)}"


def bucket_url(bucket: str, region: str, variables: Mapping[str, str] = os.environ) -> str:
    """Base URL of a bucket: its own host on AWS, a path below a configured address."""
    configured = _configured("s3", variables)
    return f"{configured}/{bucket}" if configured else f"https://{bucket}.{_host('s3', region)}"


def _configured(service: str, variables: Mapping[str, str]) -> str | None:
    url = variables.get(f"AWS_ENDPOINT_URL_{service.upper()}") or variables.get("AWS_ENDPOINT_URL")
    return url.rstrip("/") if url else None


def _host(service: str, region: str) -> str:
    """S3 Vectors has no host below amazonaws.com."""
    suffix = _API if service == "s3vectors" else _AMAZONAWS
    return f"{_HOSTS[service]}.{region}.{_IN_CHINA[suffix] if region.startswith('cn-') else suffix}"
