"""Template properties against CloudFormation's schemas."""

from __future__ import annotations

from typing import Any

import pytest

from twin.local.services.cloudformation.properties import PropertyError, checked
from twin.local.services.cloudformation.schemas import resource_schema, top_level

INDEX = {"IndexName": "corpus", "DataType": "float32", "Dimension": 2, "DistanceMetric": "cosine"}
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/ic",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    "MinCapacity": 0,
    "MaxCapacity": 1,
}


def test_text_becomes_what_the_schema_says() -> None:
    given = {**TARGET, "MaxCapacity": "4", "SuspendedState": {"DynamicScalingInSuspended": "true"}}
    assert checked("AWS::ApplicationAutoScaling::ScalableTarget", given) == {
        **TARGET,
        "MaxCapacity": 4,
        "SuspendedState": {"DynamicScalingInSuspended": True},
    }


def test_numbers_become_text_where_text_is_wanted() -> None:
    tags = [{"Key": "year", "Value": 2026}, {"Key": "on", "Value": True}]
    result = checked("AWS::SageMaker::Model", {"Tags": tags})
    assert result == {"Tags": [{"Key": "year", "Value": "2026"}, {"Key": "on", "Value": "true"}]}


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({**INDEX, "Dimension": 4097}, "#/Dimension: expected a number from 1 to 4096, found 4097"),
        (
            {**INDEX, "DistanceMetric": "dot"},
            "#/DistanceMetric: 'dot' is not a valid value; accepted: cosine, euclidean",
        ),
        ({**INDEX, "IndexName": "a"}, "#/IndexName: expected 3 to 63 characters, found 1"),
        (
            {"IndexName": "corpus"},
            "#/: required key [DataType] not found; #/: required key [Dimension] not found",
        ),
        (
            {**INDEX, "Dimensions": 2},
            "#/: extraneous key [Dimensions] is not permitted; accepted: CreationTime, ",
        ),
        ({**INDEX, "IndexArn": "arn"}, "#/IndexArn: this property is read-only"),
        (
            {**INDEX, "MetadataConfiguration": {"NonFilterableMetadataKeys": []}},
            "#/MetadataConfiguration/NonFilterableMetadataKeys: expected 1 to 10 items, found 0",
        ),
    ],
)
def test_every_problem_is_named(properties: dict[str, Any], message: str) -> None:
    with pytest.raises(PropertyError) as caught:
        checked("AWS::S3Vectors::Index", properties)
    assert str(caught.value).startswith("Properties validation failed for AWS::S3Vectors::Index: ")
    assert message in str(caught.value)


def test_alternatives() -> None:
    policy = {"PolicyName": "p", "PolicyType": "StepScaling"}
    with pytest.raises(PropertyError, match=r"exactly one of \[ScalingTargetId, ResourceId\] is required"):
        checked("AWS::ApplicationAutoScaling::ScalingPolicy", policy)
    with pytest.raises(PropertyError, match=r"\[ResourceId\] needs \[ScalableDimension\]"):
        checked("AWS::ApplicationAutoScaling::ScalingPolicy", {**policy, "ResourceId": "x"})
    with pytest.raises(
        PropertyError, match=r"at least one of \[VectorBucketName, VectorBucketArn\] is required"
    ):
        checked("AWS::S3Vectors::VectorBucketPolicy", {"Policy": {}})


def test_what_replacement_means() -> None:
    create_only = {
        kind: top_level(resource_schema(f"AWS::SageMaker::{kind}"), "createOnlyProperties")
        for kind in ("Endpoint", "InferenceComponent", "Model")
    }
    assert create_only["Endpoint"] == {"EndpointName"}
    assert create_only["InferenceComponent"] == frozenset()
    assert "PrimaryContainer" in create_only["Model"]
    assert "Tags" not in create_only["Model"]
