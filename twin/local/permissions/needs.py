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

_SAGEMAKER_KINDS = {
    "transform-job": "TransformJobName",
    "endpoint-config": "EndpointConfigName",
    "endpoint": "EndpointName",
    "inference-component": "InferenceComponentName",
    "model-package-group": "ModelPackageGroupName",
    "model-package": "ModelPackageName",
    "model": "ModelName",
}
"""The request's field that names a resource, by the resource's kind; longer kinds first."""


class Keys(Protocol):
    """KMS keys (ARNs) that resources are encrypted with; None for one that uses no key of the account."""

    def of_bucket(self, name: str) -> str | None:
        """Default key of an S3 bucket."""

    def of_queue(self, url: str) -> str | None:
        """Key of an SQS queue."""

    def of_topic(self, arn: str) -> str | None:
        """Key of an SNS topic."""

    def of_table(self, name: str) -> str | None:
        """Key of a DynamoDB table, by its name or ARN."""

    def of_secret(self, identifier: str) -> str | None:
        """Key of a secret, by its name or ARN."""

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


def sagemaker(path: str, header: Callable[[bytes], str | None], body: bytes) -> list[Need]:
    """Permissions of a SageMaker request: of an invocation by path, of the rest by X-Amz-Target."""
    target = header(b"x-amz-target")
    if target is not None or not path.startswith("/endpoints/"):
        operation = (target or "").rpartition(".")[2]
        return [Need(f"sagemaker:{operation}", _sagemaker_arn(operation, _fields(body)))]
    prefix = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
    endpoint = unquote(path.split("/")[2]).lower()
    action = "InvokeEndpointAsync" if path.endswith("/async-invocations") else "InvokeEndpoint"
    needs = [Need(f"sagemaker:{action}", f"{prefix}endpoint/{endpoint}")]
    component = header(b"x-amzn-sagemaker-inference-component")
    if component:
        needs.append(Need("sagemaker:InvokeEndpoint", f"{prefix}inference-component/{component.lower()}"))
    return needs


def _sagemaker_arn(operation: str, fields: Mapping[str, Any]) -> str:
    """What an operation of the control plane works on; `*` for one that names nothing, as a list does."""
    if fields.get("ResourceArn"):
        return str(fields["ResourceArn"])
    for kind, name in _SAGEMAKER_KINDS.items():
        given = fields.get(name)
        if given and kind.replace("-", "") in operation.lower():
            whole = str(given).startswith("arn:")
            return str(given) if whole else f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{given}".lower()
    return "*"


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


def table_keys(body: bytes, keys: Keys) -> list[Need]:
    """KMS permissions of a DynamoDB request: DynamoDB decrypts a table's own key for its caller."""
    fields = _fields(body)
    names = {str(fields["TableName"])} if "TableName" in fields else set()
    names |= set(fields.get("RequestItems") or ())
    for item in fields.get("TransactItems") or ():
        names |= {str(action["TableName"]) for action in item.values()}
    found = {keys.of_table(name) for name in names}
    return [Need("kms:Decrypt", key, "dynamodb") for key in sorted(key for key in found if key)]


def secret_keys(header: Callable[[bytes], str | None], body: bytes, keys: Keys) -> list[Need]:
    """KMS permission of reading a secret."""
    if (header(b"x-amz-target") or "").rpartition(".")[2] != "GetSecretValue":
        return []
    key = keys.of_secret(str(_fields(body).get("SecretId", "")))
    return [] if key is None else [Need("kms:Decrypt", key, "secretsmanager")]


def object_use(action: str, arn: str, keys: Keys) -> list[Need]:
    """Permissions of a service that reads or writes an S3 object with a role's rights."""
    key = keys.of_bucket(arn.rpartition(":")[2].partition("/")[0])
    use = "kms:GenerateDataKey" if action == "s3:PutObject" else "kms:Decrypt"
    return [Need(action, arn), *([] if key is None else [Need(use, key, "s3")])]


def publication(arn: str, keys: Keys) -> list[Need]:
    """Permissions of publishing to an SNS topic."""
    key = keys.of_topic(arn)
    actions = ("kms:GenerateDataKey", "kms:Decrypt") if key else ()
    return [Need("sns:Publish", arn), *(Need(action, key or "", "sns") for action in actions)]


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body or b"{}")
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
