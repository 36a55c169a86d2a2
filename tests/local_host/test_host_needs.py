"""Which permissions a request needs, without a cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twin.local.permissions import needs
from twin.local.permissions.policy import Need

INDEX = "arn:aws:s3vectors:us-east-1:000000000000:bucket/b/index/i"


class SomeKeys:
    """Every resource is encrypted with one key."""

    def of_bucket(self, name: str) -> str | None:
        """A bucket's key."""
        return "key" if name == "sealed" else None

    def of_queue(self, url: str) -> str | None:
        """A queue's key."""
        return "key" if url == "sealed" else None

    def of_topic(self, arn: str) -> str | None:
        """A topic's key."""
        return "key" if arn == "sealed" else None

    def of_table(self, name: str) -> str | None:
        """A table's key."""
        return f"key of {name}" if name.startswith("sealed") else None

    def of_secret(self, identifier: str) -> str | None:
        """A secret's key."""
        return "key" if identifier == "sealed" else None

    def of_index(self, arn: str) -> str | None:
        """An index's key."""
        return "key" if arn == INDEX else None


@pytest.mark.parametrize(
    ("operation", "fields", "actions"),
    [
        ("QueryVectors", {}, ["s3vectors:QueryVectors", "kms:Decrypt"]),
        (
            "QueryVectors",
            {"filter": {"a": 1}},
            ["s3vectors:QueryVectors", "s3vectors:GetVectors", "kms:Decrypt"],
        ),
        (
            "ListVectors",
            {"returnData": True},
            ["s3vectors:ListVectors", "s3vectors:GetVectors", "kms:Decrypt"],
        ),
        ("PutVectors", {}, ["s3vectors:PutVectors", "kms:Decrypt", "kms:GenerateDataKey"]),
        ("DeleteVectors", {}, ["s3vectors:DeleteVectors"]),
    ],
)
@pytest.mark.parametrize("address", [{"indexArn": INDEX}, {"vectorBucketName": "b", "indexName": "i"}])
def test_permissions_of_vector_requests(
    operation: str, fields: dict[str, Any], actions: list[str], address: dict[str, str]
) -> None:
    wanted = needs.vectors(f"/{operation}", json.dumps(address | fields).encode(), SomeKeys())
    assert [need.action for need in wanted] == actions
    assert {need.resource for need in wanted if need.service == "s3vectors"} == {INDEX}


def test_permissions_of_encrypted_objects_and_queues() -> None:
    keys = SomeKeys()
    assert needs.object_keys("PUT", "/sealed/a/b", b"", keys) == [Need("kms:GenerateDataKey", "key", "s3")]
    assert needs.object_keys("GET", "/sealed/a/b", b"", keys) == [Need("kms:Decrypt", "key", "s3")]
    for method, path in (("DELETE", "/sealed/a"), ("GET", "/sealed"), ("PUT", "/open/a")):
        assert needs.object_keys(method, path, b"", keys) == []
    body = b'{"QueueUrl": "sealed"}'
    sent = needs.queue_keys(lambda _: "AmazonSQS.SendMessage", body, keys)
    assert [need.action for need in sent] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert needs.queue_keys(lambda _: "AmazonSQS.DeleteMessage", body, keys) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"TableName": "sealed"}, ["key of sealed"]),
        ({"TableName": "open"}, []),
        ({"RequestItems": {"open": [], "sealed": []}}, ["key of sealed"]),
        (
            {"TransactItems": [{"Put": {"TableName": "sealed-b"}}, {"Delete": {"TableName": "sealed-a"}}]},
            ["key of sealed-a", "key of sealed-b"],
        ),
    ],
)
def test_permissions_of_encrypted_tables(fields: dict[str, Any], found: list[str]) -> None:
    wanted = needs.table_keys(json.dumps(fields).encode(), SomeKeys())
    assert wanted == [Need("kms:Decrypt", key, "dynamodb") for key in found]


@pytest.mark.parametrize(
    ("operation", "identifier", "count"),
    [("GetSecretValue", "sealed", 1), ("GetSecretValue", "open", 0), ("DescribeSecret", "sealed", 0)],
)
def test_permissions_of_encrypted_secrets(operation: str, identifier: str, count: int) -> None:
    body = json.dumps({"SecretId": identifier}).encode()
    wanted = needs.secret_keys(lambda _: f"secretsmanager.{operation}", body, SomeKeys())
    assert wanted == [Need("kms:Decrypt", "key", "secretsmanager")] * count


def test_permissions_of_what_sagemaker_does_for_a_role() -> None:
    keys = SomeKeys()
    wrote = needs.object_use("s3:PutObject", "arn:aws:s3:::sealed/a/b", keys)
    assert [need.action for need in wrote] == ["s3:PutObject", "kms:GenerateDataKey"]
    read = needs.object_use("s3:GetObject", "arn:aws:s3:::sealed/a", keys)
    assert [need.action for need in read] == ["s3:GetObject", "kms:Decrypt"]
    assert needs.object_use("s3:GetObject", "arn:aws:s3:::open/a", keys) == [
        Need("s3:GetObject", "arn:aws:s3:::open/a")
    ]
    assert [need.action for need in needs.publication("sealed", keys)] == [
        "sns:Publish",
        "kms:GenerateDataKey",
        "kms:Decrypt",
    ]
    assert needs.publication("open", keys) == [Need("sns:Publish", "open")]


SAGEMAKER = "arn:aws:sagemaker:us-east-1:000000000000"


@pytest.mark.parametrize(
    ("operation", "fields", "resource"),
    [
        ("StopTransformJob", {"TransformJobName": "Twin-1"}, f"{SAGEMAKER}:transform-job/twin-1"),
        (
            "CreateTransformJob",
            {"TransformJobName": "twin-1", "ModelName": "m"},
            f"{SAGEMAKER}:transform-job/twin-1",
        ),
        (
            "CreateEndpoint",
            {"EndpointName": "e", "EndpointConfigName": "c"},
            f"{SAGEMAKER}:endpoint/e",
        ),
        ("DescribeEndpointConfig", {"EndpointConfigName": "c"}, f"{SAGEMAKER}:endpoint-config/c"),
        ("DescribeModel", {"ModelName": "m"}, f"{SAGEMAKER}:model/m"),
        (
            "DescribeModelPackage",
            {"ModelPackageName": f"{SAGEMAKER}:model-package/Group/1"},
            f"{SAGEMAKER}:model-package/Group/1",
        ),
        ("AddTags", {"ResourceArn": f"{SAGEMAKER}:model/m"}, f"{SAGEMAKER}:model/m"),
        ("ListTransformJobs", {}, "*"),
    ],
)
def test_resources_of_the_sagemaker_control_plane(
    operation: str, fields: dict[str, str], resource: str
) -> None:
    body = json.dumps(fields).encode()
    wanted = needs.sagemaker("/", lambda _: f"SageMaker.{operation}", body)
    assert wanted == [Need(f"sagemaker:{operation}", resource)]


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("invocations", "InvokeEndpoint"),
        ("invocations-response-stream", "InvokeEndpoint"),
        ("async-invocations", "InvokeEndpointAsync"),
    ],
)
def test_permissions_of_invocations(path: str, action: str) -> None:
    wanted = needs.sagemaker(f"/endpoints/Own/{path}", lambda _: None, b"")
    assert wanted == [Need(f"sagemaker:{action}", f"{SAGEMAKER}:endpoint/own")]
