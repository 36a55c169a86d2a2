"""The operations of Application Auto Scaling for the namespace `sagemaker`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping

from twin.local.services.autoscaling.rules import Target, check_capacity, check_policy, parse_target
from twin.local.services.autoscaling.state import AutoscalingState
from twin.local.services.errors import ServiceError, validation_error
from twin.local.services.sagemaker.listing import page_of
from twin.local.services.storage import Record, Records

_SCHEDULE = re.compile(r"(?:at\(.+\)|cron\(.+\)|rate\(\d+ (?:minute|hour|day)s?\))")
_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
_NOT_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


def register_scalable_target(state: AutoscalingState, request: Record) -> Record:
    target = parse_target(request)
    before = state.targets.get(target.key, {})
    least = request.get("MinCapacity", before.get("MinCapacity"))
    most = request.get("MaxCapacity", before.get("MaxCapacity"))
    check_capacity(least, most, new=not before)
    if state.capacity.current(target) is None:
        raise validation_error(f"{_noun(target)} does not exist: {target.resource_id}")
    arn = state.identity.arn("application-autoscaling", f"scalable-target/{uuid.uuid4().hex}")
    role = f"aws-service-role/sagemaker.application-autoscaling.amazonaws.com/{_ROLE}"
    suspended = {**before.get("SuspendedState", _NOT_SUSPENDED), **(request.get("SuspendedState") or {})}
    state.targets[target.key] = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": target.resource_id,
        "ScalableDimension": target.dimension,
        "RoleARN": f"arn:aws:iam::{state.identity.account}:role/{role}",
        "CreationTime": state.clock(),
        "ScalableTargetARN": arn,
        **before,
        "MinCapacity": least,
        "MaxCapacity": most,
        "SuspendedState": suspended,
    }
    if request.get("Tags"):
        tag_resource(state, {"ResourceARN": arn, "Tags": request["Tags"]})
    state.bring_within_bounds(target)
    return {"ScalableTargetARN": state.targets[target.key]["ScalableTargetARN"]}


def _noun(target: Target) -> str:
    return "Inference component" if target.component else "Endpoint variant"


def deregister_scalable_target(state: AutoscalingState, request: Record) -> Record:
    """Also deletes the target's policies and scheduled actions."""
    target = parse_target(request)
    state.require_target(target)
    del state.targets[target.key]
    for records in (state.policies, state.actions):
        for name in [name for name, row in records.items() if _target_of(row) == target]:
            del records[name]
    return {}


def _target_of(row: Record) -> Target:
    return Target(row["ResourceId"], row["ScalableDimension"])


def describe_scalable_targets(state: AutoscalingState, request: Record) -> Record:
    ids = request.get("ResourceIds")
    rows = [row for row in _rows(state.targets, request) if not ids or row["ResourceId"] in ids]
    return _answer("ScalableTargets", rows, request)


def put_scaling_policy(state: AutoscalingState, request: Record) -> Record:
    target = parse_target(request)
    state.require_target(target)
    key = f"{target.key}|{request['PolicyName']}"
    before = state.policies.get(key)
    kind = request.get("PolicyType") or (before or {}).get("PolicyType") or "StepScaling"
    check_policy(kind, request, target)
    arn = before["PolicyARN"] if before else _arn(state, "scalingPolicy", target, request["PolicyName"])
    created = before["CreationTime"] if before else state.clock()
    added: Record = {"PolicyType": kind, "PolicyARN": arn, "CreationTime": created, "Alarms": []}
    state.policies[key] = {**request, **added}
    return {"PolicyARN": arn, "Alarms": []}


def _arn(state: AutoscalingState, kind: str, target: Target, name: str) -> str:
    path = f"{kind}:{uuid.uuid4()}:resource/sagemaker/{target.resource_id}"
    label = "policyName" if kind == "scalingPolicy" else "scheduledActionName"
    return state.identity.arn("autoscaling", f"{path}:{label}/{name}")


def describe_scaling_policies(state: AutoscalingState, request: Record) -> Record:
    names = request.get("PolicyNames")
    rows = [row for row in _rows(state.policies, request) if not names or row["PolicyName"] in names]
    return _answer("ScalingPolicies", rows, request)


def delete_scaling_policy(state: AutoscalingState, request: Record) -> Record:
    _delete(state.policies, request, "PolicyName", "scaling policy")
    return {}


def put_scheduled_action(state: AutoscalingState, request: Record) -> Record:
    target = parse_target(request)
    state.require_target(target)
    name = request["ScheduledActionName"]
    key = f"{target.key}|{name}"
    before = state.actions.get(key, {})
    if not before and not request.get("Schedule"):
        raise validation_error("Schedule is required for a new scheduled action")
    if request.get("Schedule") and not _SCHEDULE.fullmatch(request["Schedule"]):
        raise validation_error(f"Invalid schedule {request['Schedule']}: expected at(…), rate(…) or cron(…)")
    action = request.get("ScalableTargetAction") or before.get("ScalableTargetAction") or {}
    if not action:
        raise validation_error("ScalableTargetAction needs MinCapacity, MaxCapacity or both")
    check_capacity(action.get("MinCapacity"), action.get("MaxCapacity"), new=False)
    arn = _arn(state, "scheduledAction", target, name)
    state.actions[key] = {"ScheduledActionARN": arn, "CreationTime": state.clock(), **before, **request}
    return {}


def describe_scheduled_actions(state: AutoscalingState, request: Record) -> Record:
    names = request.get("ScheduledActionNames")
    rows = [row for row in _rows(state.actions, request) if not names or row["ScheduledActionName"] in names]
    return _answer("ScheduledActions", rows, request)


def delete_scheduled_action(state: AutoscalingState, request: Record) -> Record:
    _delete(state.actions, request, "ScheduledActionName", "scheduled action")
    return {}


def describe_scaling_activities(state: AutoscalingState, request: Record) -> Record:
    rows = sorted(_rows(state.activities, request), key=lambda row: -row["StartTime"])
    return _answer("ScalingActivities", rows, request)


def list_tags(state: AutoscalingState, request: Record) -> Record:
    return {"Tags": _tags(state, request["ResourceARN"])}


def tag_resource(state: AutoscalingState, request: Record) -> Record:
    arn = request["ResourceARN"]
    state.tags[arn] = {**_tags(state, arn), **request["Tags"]}
    return {}


def untag_resource(state: AutoscalingState, request: Record) -> Record:
    arn = request["ResourceARN"]
    kept = {key: value for key, value in _tags(state, arn).items() if key not in request["TagKeys"]}
    state.tags[arn] = kept
    return {}


def _tags(state: AutoscalingState, arn: str) -> Mapping[str, str]:
    if not any(row["ScalableTargetARN"] == arn for row in state.targets.values()):
        raise ServiceError("ResourceNotFoundException", f"No scalable target with the ARN {arn}")
    return state.tags.get(arn, {})


def _rows(records: Records, request: Record) -> Iterable[Record]:
    for row in records.values():
        if all(request.get(name) in (None, row[name]) for name in ("ResourceId", "ScalableDimension")):
            yield row


def _answer(member: str, rows: Iterable[Record], request: Record) -> Record:
    page, token = page_of(list(rows), request)
    return {member: list(page), **({"NextToken": token} if token else {})}


def _delete(records: Records, request: Record, name_field: str, noun: str) -> None:
    target = parse_target(request)
    key = f"{target.key}|{request[name_field]}"
    if key not in records:
        raise ServiceError(
            "ObjectNotFoundException",
            f"No {noun} found for service namespace: sagemaker, resource ID: {target.resource_id}, "
            f"scalable dimension: {target.dimension}, {noun} name: {request[name_field]}",
        )
    del records[key]
