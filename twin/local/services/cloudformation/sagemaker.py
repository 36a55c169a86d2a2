"""`AWS::SageMaker::*`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from twin.local.services.cloudformation.handler import Created, Properties, Resource
from twin.local.services.json_rpc import JsonService
from twin.local.services.sagemaker import SageMakerState
from twin.local.services.storage import Record

Service = JsonService[SageMakerState]


def resources(service: Service) -> Iterable[Resource]:
    """Every SageMaker type that the stacks use."""
    yield _plain(service, "Model", "Model", "ModelName")
    yield _plain(service, "EndpointConfig", "EndpointConfig", "EndpointConfigName")
    yield _endpoint(service)
    yield _component(service)
    yield _package_group(service)


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _changed_tags(service: Service, arn: str, old: Properties, new: Properties) -> None:
    """Bring the tags of a resource from those of `old` to those of `new`."""
    before = {tag["Key"] for tag in old.get("Tags", ())}
    after = {tag["Key"] for tag in new.get("Tags", ())}
    if before - after:
        service.run("DeleteTags", {"ResourceArn": arn, "TagKeys": sorted(before - after)})
    if new.get("Tags"):
        service.run("AddTags", {"ResourceArn": arn, "Tags": new["Tags"]})


def _answer(service: Service, operation: str, request: Record) -> Record:
    return service.run(operation, request) or {}


def _text_environments(properties: Properties) -> Properties:
    """The properties with the values of containers' environments as text, whatever the template has."""

    def container(given: dict[str, Any]) -> dict[str, Any]:
        if "Environment" not in given:
            return given
        environment = given["Environment"].items()
        text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in environment}
        return {**given, "Environment": text}

    changed = dict(properties)
    if "PrimaryContainer" in properties:
        changed["PrimaryContainer"] = container(properties["PrimaryContainer"])
    if "Containers" in properties:
        changed["Containers"] = [container(given) for given in properties["Containers"]]
    return changed


def _plain(service: Service, kind: str, operation: str, name_property: str) -> Resource:
    """A type whose every property but Tags is replaced, and whose properties are the API's parameters."""

    def attributes(arn: str) -> Created:
        return arn, {name_property: _name(arn), f"{kind}Arn": arn}

    def create(properties: Properties) -> Created:
        return attributes(
            _answer(service, f"Create{operation}", _text_environments(properties))[f"{kind}Arn"]
        )

    def update(arn: str, old: Properties, new: Properties) -> Created:
        _changed_tags(service, arn, old, new)
        return attributes(arn)

    def delete(arn: str, properties: Properties) -> None:
        service.run(f"Delete{operation}", {name_property: _name(arn)})

    return Resource(f"AWS::SageMaker::{kind}", create, delete, update, name_property)


def _only(properties: Properties, *names: str) -> Properties:
    return {name: properties[name] for name in names if name in properties}


def _endpoint(service: Service) -> Resource:
    def attributes(arn: str) -> Created:
        return arn, {"EndpointName": _name(arn), "EndpointArn": arn}

    def create(properties: Properties) -> Created:
        request = _only(properties, "EndpointName", "EndpointConfigName", "DeploymentConfig", "Tags")
        return attributes(_answer(service, "CreateEndpoint", request)["EndpointArn"])

    def update(arn: str, old: Properties, new: Properties) -> Created:
        _changed_tags(service, arn, old, new)
        if _without_tags(old) != _without_tags(new):
            request = {name: value for name, value in _without_tags(new).items() if name != "EndpointName"}
            service.run("UpdateEndpoint", {**request, "EndpointName": _name(arn)})
        return attributes(arn)

    def delete(arn: str, properties: Properties) -> None:
        service.run("DeleteEndpoint", {"EndpointName": _name(arn)})

    return Resource("AWS::SageMaker::Endpoint", create, delete, update, "EndpointName")


def _without_tags(properties: Properties) -> Properties:
    return {name: value for name, value in properties.items() if name != "Tags"}


def _component(service: Service) -> Resource:
    created = ("InferenceComponentName", "EndpointName", "VariantName", "Specification", "Specifications")

    def attributes(arn: str) -> Created:
        name = _name(arn)
        seen = _answer(service, "DescribeInferenceComponent", {"InferenceComponentName": name})
        counts: dict[str, Any] = seen["RuntimeConfig"]
        return arn, {
            "InferenceComponentArn": arn,
            "InferenceComponentName": name,
            "InferenceComponentStatus": seen["InferenceComponentStatus"],
            "EndpointArn": seen["EndpointArn"],
            "CreationTime": str(seen["CreationTime"]),
            "LastModifiedTime": str(seen["LastModifiedTime"]),
            "RuntimeConfig.CurrentCopyCount": str(counts["CurrentCopyCount"]),
            "RuntimeConfig.DesiredCopyCount": str(counts["DesiredCopyCount"]),
        }

    def create(properties: Properties) -> Created:
        request = _only(properties, *created, "RuntimeConfig", "Tags")
        return attributes(_answer(service, "CreateInferenceComponent", request)["InferenceComponentArn"])

    def update(arn: str, old: Properties, new: Properties) -> Created:
        _changed_tags(service, arn, old, new)
        request = _only(new, "Specification", "Specifications", "RuntimeConfig", "DeploymentConfig")
        if _without_tags(old) != _without_tags(new):
            service.run("UpdateInferenceComponent", {**request, "InferenceComponentName": _name(arn)})
        return attributes(arn)

    def delete(arn: str, properties: Properties) -> None:
        service.run("DeleteInferenceComponent", {"InferenceComponentName": _name(arn)})

    return Resource("AWS::SageMaker::InferenceComponent", create, delete, update, "InferenceComponentName")


def _package_group(service: Service) -> Resource:
    def attributes(arn: str) -> Created:
        seen = _answer(service, "DescribeModelPackageGroup", {"ModelPackageGroupName": _name(arn)})
        return arn, {
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupStatus": seen["ModelPackageGroupStatus"],
            "CreationTime": str(seen["CreationTime"]),
        }

    def put_policy(arn: str, properties: Properties) -> None:
        name = _name(arn)
        policy = properties.get("ModelPackageGroupPolicy")
        if policy is not None:
            text = policy if isinstance(policy, str) else json.dumps(policy)
            service.run("PutModelPackageGroupPolicy", {"ModelPackageGroupName": name, "ResourcePolicy": text})

    def create(properties: Properties) -> Created:
        request = _only(properties, "ModelPackageGroupName", "ModelPackageGroupDescription", "Tags")
        arn = _answer(service, "CreateModelPackageGroup", request)["ModelPackageGroupArn"]
        put_policy(arn, properties)
        return attributes(arn)

    def update(arn: str, old: Properties, new: Properties) -> Created:
        _changed_tags(service, arn, old, new)
        if "ModelPackageGroupPolicy" in old and "ModelPackageGroupPolicy" not in new:
            service.run("DeleteModelPackageGroupPolicy", {"ModelPackageGroupName": _name(arn)})
        put_policy(arn, new)
        return attributes(arn)

    def delete(arn: str, properties: Properties) -> None:
        service.run("DeleteModelPackageGroup", {"ModelPackageGroupName": _name(arn)})

    return Resource("AWS::SageMaker::ModelPackageGroup", create, delete, update, "ModelPackageGroupName")
