"""Routing, roles, and what is kept."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.local_services.conftest import FAST_MODEL, Cloud
from twin.local.services import Services, discard_state
from twin.local.services.emulator import trusted_services
from twin.local.services.errors import ServiceError
from twin.local.services.shapes import load_shapes, require_valid

REQUEST = "SageMaker.CreateModel"


def test_routes(cloud: Cloud) -> None:
    route = cloud.services.route
    control, runtime = route("sagemaker", "/", REQUEST), route("sagemaker", "/endpoints/e/invocations", None)
    assert control is not None
    assert runtime is not None
    assert control is not runtime
    assert route("", "/_local/faults", None) is runtime
    assert route("s3vectors", "/QueryVectors", None) is not None
    assert route("application-autoscaling", "/", "AnyScaleFrontendService.RegisterScalableTarget") is not None
    assert route("s3", "/bucket", None) is None


def test_arns_carry_the_callers_account_and_region(cloud: Cloud) -> None:
    client = boto3.client(
        "s3vectors",
        endpoint_url=cloud.url,
        region_name="eu-west-1",
        aws_access_key_id="333333333333",
        aws_secret_access_key="test",
    )
    arn = client.create_vector_bucket(vectorBucketName="twin")["vectorBucketArn"]
    assert arn == "arn:aws:s3vectors:eu-west-1:333333333333:bucket/twin"


def test_handlers_cover_the_types_in_use(cloud: Cloud) -> None:
    table = cloud.services.resource_handlers()
    assert set(table) == {
        "AWS::SageMaker::Model",
        "AWS::SageMaker::EndpointConfig",
        "AWS::SageMaker::Endpoint",
        "AWS::SageMaker::InferenceComponent",
        "AWS::SageMaker::ModelPackageGroup",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::S3Vectors::VectorBucket",
        "AWS::S3Vectors::Index",
        "AWS::S3Vectors::VectorBucketPolicy",
    }
    assert all({"create", "update", "delete"} <= set(entry) for entry in table.values())


def test_discarded_state_is_forgotten(tmp_path: Path) -> None:
    def buckets() -> int:
        async def count() -> int:
            services = Services(tmp_path, FAST_MODEL)
            await services.startup()
            services.vectors.buckets.setdefault("b", {"vectorBucketName": "b"})
            size = len(services.vectors.buckets)
            services.vectors.buckets["c"] = {"vectorBucketName": "c"}
            await services.shutdown()
            return size

        return asyncio.run(count())

    assert (buckets(), buckets()) == (1, 2)
    discard_state(tmp_path)
    assert buckets() == 1


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, {"sagemaker.amazonaws.com"}),
        ({"Service": ["a", "b"]}, {"a", "b"}),
        ({"AWS": "arn"}, set()),
        ("*", set()),
    ],
)
def test_who_a_role_trusts(principal: Any, expected: set[str]) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Principal": principal}]}
    assert trusted_services(json.dumps(policy)) == trusted_services(policy) == expected


def test_a_denying_statement_trusts_nobody() -> None:
    assert trusted_services({"Statement": {"Effect": "Deny", "Principal": {"Service": "a"}}}) == set()


@pytest.mark.parametrize(
    ("parameters", "violations"),
    [
        ({}, ["Value 'null' at 'modelName' failed to satisfy constraint: Member must not be null"]),
        (
            {"ModelName": 1},
            ["Value '1' at 'modelName' failed to satisfy constraint: Member must be of type string"],
        ),
        (
            {"ModelName": "m", "VpcConfig": {"Subnets": [], "SecurityGroupIds": ["a b"]}},
            [
                (
                    "Value '[]' at 'vpcConfig.subnets' failed to satisfy constraint: "
                    "Member must have length greater than or equal to 1"
                ),
                (
                    "Value 'a b' at 'vpcConfig.securityGroupIds.1.member' failed to satisfy constraint: "
                    "Member must satisfy regular expression pattern: [-0-9a-zA-Z]+"
                ),
            ],
        ),
        (
            {"ModelName": "m", "Contaners": "x"},
            [
                (
                    "Value 'x' at 'contaners' failed to satisfy constraint: Member must be one of "
                    "[Containers, EnableNetworkIsolation, ExecutionRoleArn, InferenceExecutionConfig, "
                    "ModelName, PrimaryContainer, Tags, VpcConfig]"
                )
            ],
        ),
    ],
)
def test_validation_speaks_as_aws_does(parameters: dict[str, Any], violations: list[str]) -> None:
    with pytest.raises(ServiceError) as caught:
        require_valid(load_shapes("sagemaker", frozenset({"CreateModel"})), "CreateModel", parameters)
    noun = "error" if len(violations) == 1 else "errors"
    assert caught.value.message == f"{len(violations)} validation {noun} detected: {'; '.join(violations)}"


def test_importing_the_services_is_light() -> None:
    """MiniStack, moto, botocore's clients and httpx are loaded when something asks for them."""
    heavy = "ministack moto boto3 botocore.client fastapi starlette cfnlint torch transformers httpx"
    code = f"import sys, twin.local.services; print([m for m in '{heavy}'.split() if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
