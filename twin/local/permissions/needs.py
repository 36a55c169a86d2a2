"""Which permissions a request needs, beyond those that MiniStack checks itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from twin.local import ACCOUNT, REGION
from twin.local.permissions.policy import Need

_VECTOR_READS = frozenset({"QueryVectors", "GetVectors", "ListVectors"})
_VECTOR_WRITES = frozenset({"PutVectors"})


class Keys(Protocol):
    """KMS keys (ARNs) that resources are encrypted with; None for one that uses no key of the account."""

    def of_bucket(self, name: str) -> str | None:
        """Default key of an S3 bucket."""

    def of_queue(self, url: str) -> str | None:
        """Key of an SQS queue."""

    def of_index(self, arn: str) -> str | None:
        """Key of a vector index."""


def vectors(path: str, body: bytes, keys: Keys) -> list[Need]:
    """Permissions of an S3 Vectors request, `POST /<Operation>`."""
    operation = path.strip("/")
    fields = _fields(body)
    arn = _vector_arn(fields)
    needs = [Need(f"s3vectors:{operation}", arn)]
    returns_metadata = fields.get("filter") or fields.get("returnMetadata") or fields.get("returnData")
    if operation in {"QueryVectors", "ListVectors"} and returns_metadata:
        needs.append(Need("s3vectors:GetVectors", arn))
    key = keys.of_index(arn)
    if key is not None and operation in _VECTOR_READS | _VECTOR_WRITES:
        needs.append(Need("kms:Decrypt", key, "s3vectors"))
    if key is not None and operation in _VECTOR_WRITES:
        needs.append(Need("kms:GenerateDataKey", key, "s3vectors"))
    return needs


def _vector_arn(fields: Mapping[str, Any]) -> str:
    given = fields.get("indexArn") or fields.get("vectorBucketArn")
    if given:
        return str(given)
    bucket, index = fields.get("vectorBucketName"), fields.get("indexName")
    if not bucket:
        return "*"
    arn = f"arn:aws:s3vectors:{REGION}:{ACCOUNT}:bucket/{bucket}"
    return f"{arn}/index/{index}" if index else arn


def sagemaker(path: str, header: Callable[[bytes], str | None]) -> list[Need]:
    """Permissions of a SageMaker request: of an invocation by path, of the rest by X-Amz-Target."""
    target = header(b"x-amz-target")
    if target is not None or not path.startswith("/endpoints/"):
        return [Need(f"sagemaker:{(target or '').rpartition('.')[2]}", "*")]
    prefix = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
    endpoint = unquote(path.split("/")[2]).lower()
    needs = [Need("sagemaker:InvokeEndpoint", f"{prefix}endpoint/{endpoint}")]
    component = header(b"x-amzn-sagemaker-inference-component")
    if component:
        needs.append(Need("sagemaker:InvokeEndpoint", f"{prefix}inference-component/{component.lower()}"))
    return needs


def autoscaling(header: Callable[[bytes], str | None]) -> list[Need]:
    """Permissions of an Application Auto Scaling request."""
    operation = (header(b"x-amz-target") or "").rpartition(".")[2]
    return [Need(f"application-autoscaling:{operation}", "*")]


def object_keys(method: str, path: str, query: bytes, keys: Keys) -> list[Need]:
    """KMS permissions of reading or writing an S3 object (path-style); listing and deleting need none."""
    bucket, _, name = path.lstrip("/").partition("/")
    key = keys.of_bucket(bucket) if name and method in {"GET", "PUT"} else None
    if key is None or query.startswith(b"tagging"):
        return []
    return [Need("kms:GenerateDataKey" if method == "PUT" else "kms:Decrypt", key, "s3")]


def queue_keys(header: Callable[[bytes], str | None], body: bytes, keys: Keys) -> list[Need]:
    """KMS permissions of sending to or receiving from an encrypted SQS queue."""
    operation = (header(b"x-amz-target") or "").rpartition(".")[2]
    if operation not in {"SendMessage", "SendMessageBatch", "ReceiveMessage"}:
        return []
    key = keys.of_queue(str(_fields(body).get("QueueUrl", "")))
    if key is None:
        return []
    decrypt = Need("kms:Decrypt", key, "sqs")
    return [decrypt] if operation == "ReceiveMessage" else [Need("kms:GenerateDataKey", key, "sqs"), decrypt]


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body or b"{}")
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
