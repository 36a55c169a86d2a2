"""How requests name buckets and indexes: by name or by ARN."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from twin.local.services.vectors.errors import invalid

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_INDEX = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ARN = re.compile(r"arn:aws[-a-z0-9]*:s3vectors:[a-z0-9-]+:[0-9]{12}:bucket/([^/]+)(?:/index/([^/]+))?")


def bucket_name(request: Mapping[str, Any]) -> str:
    """Bucket of a request that carries exactly one of `vectorBucketName` and `vectorBucketArn`."""
    name, arn = request.get("vectorBucketName"), request.get("vectorBucketArn")
    if (name is None) == (arn is None):
        raise invalid(
            "vectorBucketName", "Must specify either vectorBucketName or vectorBucketArn but not both"
        )
    return str(name) if name is not None else split_arn(str(arn))[0]


def index_names(request: Mapping[str, Any]) -> tuple[str, str]:
    """Bucket and index of a request that carries `indexArn`, or both names."""
    arn, bucket, index = request.get("indexArn"), request.get("vectorBucketName"), request.get("indexName")
    if arn is not None and bucket is None and index is None:
        found = split_arn(str(arn))
        if found[1] is None:
            raise invalid("indexArn", f"Not the ARN of a vector index: {arn}")
        return found[0], found[1]
    if arn is None and bucket is not None and index is not None:
        return str(bucket), str(index)
    raise invalid(
        "indexName", "Must specify either both vectorBucketName and indexName or indexArn but not both"
    )


def split_arn(arn: str) -> tuple[str, str | None]:
    """Bucket and index that an ARN names; the index is None in a bucket's ARN."""
    match = _ARN.fullmatch(arn)
    if match is None:
        raise invalid("resourceArn", f"Not the ARN of a vector bucket or index: {arn}")
    return match[1], match[2]


def check_bucket_name(name: str) -> None:
    if not _BUCKET.fullmatch(name):
        raise invalid("vectorBucketName", f"Invalid vector bucket name: {name}")


def check_index_name(name: str) -> None:
    if not _INDEX.fullmatch(name):
        raise invalid("indexName", f"Invalid vector index name: {name}")
