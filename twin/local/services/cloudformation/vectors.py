"""`AWS::S3Vectors::*`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from twin.local.services.cloudformation.handler import Created, Properties, Resource
from twin.local.services.storage import Record
from twin.local.services.vectors import VectorsState, run


def resources(state: VectorsState) -> Iterable[Resource]:
    """Every S3 Vectors type."""
    yield _bucket(state)
    yield _index(state)
    yield _policy(state)


def _camel(value: Any) -> Any:
    """CloudFormation's names as the API spells them: the first letter in lower case."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _camel(item) for name, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _request(properties: Properties) -> Record:
    request: Record = _camel({name: value for name, value in properties.items() if name != "Tags"})
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}
    return {**request, "tags": tags} if tags else request


def _retag(state: VectorsState, arn: str, old: Properties, new: Properties) -> None:
    before = {tag["Key"] for tag in old.get("Tags", ())}
    after = {tag["Key"]: tag["Value"] for tag in new.get("Tags", ())}
    if before - after.keys():
        run(state, "UntagResource", {"resourceArn": arn, "tagKeys": sorted(before - after.keys())})
    if after:
        run(state, "TagResource", {"resourceArn": arn, "tags": after})


def _bucket(state: VectorsState) -> Resource:
    def attributes(arn: str) -> Created:
        seen = run(state, "GetVectorBucket", {"vectorBucketArn": arn}) or {}
        created = str(seen["vectorBucket"]["creationTime"])
        return arn, {"VectorBucketArn": arn, "CreationTime": created}

    def create(properties: Properties) -> Created:
        answer = run(state, "CreateVectorBucket", _request(properties)) or {}
        return attributes(answer["vectorBucketArn"])

    def update(arn: str, old: Properties, new: Properties) -> Created:
        _retag(state, arn, old, new)
        return attributes(arn)

    def delete(arn: str, properties: Properties) -> None:
        run(state, "DeleteVectorBucket", {"vectorBucketArn": arn})

    return Resource(
        "AWS::S3Vectors::VectorBucket", create, delete, update, "VectorBucketName", lower_case_name=True
    )


def _index(state: VectorsState) -> Resource:
    def attributes(arn: str) -> Created:
        seen = run(state, "GetIndex", {"indexArn": arn}) or {}
        return arn, {"IndexArn": arn, "CreationTime": str(seen["index"]["creationTime"])}

    def create(properties: Properties) -> Created:
        answer = run(state, "CreateIndex", _request(properties)) or {}
        return attributes(answer["indexArn"])

    def update(arn: str, old: Properties, new: Properties) -> Created:
        _retag(state, arn, old, new)
        return attributes(arn)

    def delete(arn: str, properties: Properties) -> None:
        run(state, "DeleteIndex", {"indexArn": arn})

    return Resource("AWS::S3Vectors::Index", create, delete, update, "IndexName", lower_case_name=True)


def _policy(state: VectorsState) -> Resource:
    def put(properties: Properties) -> Created:
        policy = properties["Policy"]
        text = policy if isinstance(policy, str) else json.dumps(policy)
        bucket = {
            name: properties[name] for name in ("VectorBucketName", "VectorBucketArn") if name in properties
        }
        request = _camel(bucket)
        run(state, "PutVectorBucketPolicy", {**request, "policy": text})
        seen = run(state, "GetVectorBucket", request) or {}
        arn = seen["vectorBucket"]["vectorBucketArn"]
        return arn, {"VectorBucketArn": arn}

    def update(arn: str, old: Properties, new: Properties) -> Created:
        return put(new)

    def delete(arn: str, properties: Properties) -> None:
        run(state, "DeleteVectorBucketPolicy", {"vectorBucketArn": arn})

    return Resource("AWS::S3Vectors::VectorBucketPolicy", put, delete, update)
