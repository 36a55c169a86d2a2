"""`AWS::ApplicationAutoScaling::*` for the namespace `sagemaker`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twin.local.services.autoscaling import AutoscalingState
from twin.local.services.cloudformation.handler import Created, Properties, Resource
from twin.local.services.errors import validation_error
from twin.local.services.json_rpc import JsonService
from twin.local.services.storage import Record

Service = JsonService[AutoscalingState]
_IDENTITY = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def resources(service: Service) -> Iterable[Resource]:
    """Every Application Auto Scaling type."""
    yield _target(service)
    yield _policy(service)


def _identity(properties: Mapping[str, Any]) -> Record:
    identity = {name: properties[name] for name in _IDENTITY}
    if identity["ServiceNamespace"] != "sagemaker":
        raise validation_error(
            f"The local cloud scales the namespace sagemaker only, found {identity['ServiceNamespace']}"
        )
    return identity


def _target(service: Service) -> Resource:
    def register(properties: Properties) -> Created:
        identity = _identity(properties)
        bounds = {name: properties[name] for name in ("MinCapacity", "MaxCapacity")}
        request: Record = {**identity, **bounds}
        if properties.get("SuspendedState"):
            request["SuspendedState"] = properties["SuspendedState"]
        if properties.get("Tags"):
            request["Tags"] = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
        service.run("RegisterScalableTarget", request)
        for action in properties.get("ScheduledActions", ()):
            service.run("PutScheduledAction", {**identity, **action})
        physical_id = "|".join(
            identity[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace")
        )
        return physical_id, {"Id": physical_id}

    def update(physical_id: str, old: Properties, new: Properties) -> Created:
        kept = {action["ScheduledActionName"] for action in new.get("ScheduledActions", ())}
        for action in old.get("ScheduledActions", ()):
            if action["ScheduledActionName"] not in kept:
                name = {"ScheduledActionName": action["ScheduledActionName"]}
                service.run("DeleteScheduledAction", {**_identity(old), **name})
        return register(new)

    def delete(physical_id: str, properties: Properties) -> None:
        service.run("DeregisterScalableTarget", _from_id(physical_id))

    return Resource("AWS::ApplicationAutoScaling::ScalableTarget", register, delete, update)


def _from_id(target_id: str) -> Record:
    """Identity of the target that a scalable target's physical id names."""
    parts = target_id.split("|")
    if len(parts) != 3:
        raise validation_error(f"Not the id of a scalable target: {target_id}")
    return {"ResourceId": parts[0], "ScalableDimension": parts[1], "ServiceNamespace": parts[2]}


def _policy(service: Service) -> Resource:
    configurations = ("TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration")

    def identity(properties: Properties) -> Record:
        if "ScalingTargetId" in properties:
            return _identity(_from_id(properties["ScalingTargetId"]))
        return _identity(properties)

    def put(properties: Properties) -> Created:
        names = ("PolicyName", "PolicyType", *configurations, "PredictiveScalingPolicyConfiguration")
        request = {name: properties[name] for name in names if name in properties}
        answer = service.run("PutScalingPolicy", {**identity(properties), **request}) or {}
        return answer["PolicyARN"], {"Arn": answer["PolicyARN"]}

    def update(arn: str, old: Properties, new: Properties) -> Created:
        return put(new)

    def delete(arn: str, properties: Properties) -> None:
        service.run("DeleteScalingPolicy", {**identity(properties), "PolicyName": properties["PolicyName"]})

    return Resource("AWS::ApplicationAutoScaling::ScalingPolicy", put, delete, update)
