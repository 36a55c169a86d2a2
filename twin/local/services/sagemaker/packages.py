"""Model Registry: package groups and versions."""

from __future__ import annotations

from twin.local.services.errors import ServiceError, validation_error
from twin.local.services.sagemaker.listing import Listing
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record

_GROUPS = Listing(
    "ModelPackageGroupSummaryList",
    (
        "ModelPackageGroupName",
        "ModelPackageGroupArn",
        "ModelPackageGroupDescription",
        "CreationTime",
        "ModelPackageGroupStatus",
    ),
    "ModelPackageGroupName",
)
_PACKAGES = Listing(
    "ModelPackageSummaryList",
    (
        "ModelPackageName",
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageArn",
        "ModelPackageDescription",
        "CreationTime",
        "ModelPackageStatus",
        "ModelApprovalStatus",
    ),
    "ModelPackageName",
)


def create_group(state: SageMakerState, request: Record) -> Record:
    name = request["ModelPackageGroupName"]
    arn = state.arn("model-package-group", name)
    if name in state.package_groups:
        raise validation_error(f"Model Package Group already exists: {arn}")
    body = {key: value for key, value in request.items() if key != "Tags"}
    created = {
        "ModelPackageGroupArn": arn,
        "CreationTime": state.clock(),
        "ModelPackageGroupStatus": "Completed",
    }
    state.package_groups[name] = {**body, **created, "CreatedBy": {}}
    state.set_tags(arn, request.get("Tags"))
    return {"ModelPackageGroupArn": arn}


def find_group(state: SageMakerState, name_or_arn: str) -> Record:
    name = name_or_arn.rpartition("/")[2]
    if name not in state.package_groups:
        arn = state.arn("model-package-group", name)
        raise validation_error(f"ModelPackageGroup {arn} does not exist.")
    return state.package_groups[name]


def describe_group(state: SageMakerState, request: Record) -> Record:
    group = find_group(state, request["ModelPackageGroupName"])
    return {name: value for name, value in group.items() if name != "ResourcePolicy"}


def list_groups(state: SageMakerState, request: Record) -> Record:
    return _GROUPS.answer(state.package_groups.values(), request)


def delete_group(state: SageMakerState, request: Record) -> None:
    group = find_group(state, request["ModelPackageGroupName"])
    name = group["ModelPackageGroupName"]
    if any(package.get("ModelPackageGroupName") == name for package in state.packages.values()):
        raise ServiceError("ConflictException", f"Model Package Group {name} still has model packages.")
    del state.package_groups[name]
    state.drop_tags(group["ModelPackageGroupArn"])


def put_group_policy(state: SageMakerState, request: Record) -> Record:
    group = find_group(state, request["ModelPackageGroupName"])
    state.package_groups[group["ModelPackageGroupName"]] = {
        **group,
        "ResourcePolicy": request["ResourcePolicy"],
    }
    return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}


def get_group_policy(state: SageMakerState, request: Record) -> Record:
    group = find_group(state, request["ModelPackageGroupName"])
    if "ResourcePolicy" not in group:
        raise validation_error(f"Cannot find policy for {group['ModelPackageGroupArn']}")
    return {"ResourcePolicy": group["ResourcePolicy"]}


def delete_group_policy(state: SageMakerState, request: Record) -> None:
    group = find_group(state, request["ModelPackageGroupName"])
    kept = {name: value for name, value in group.items() if name != "ResourcePolicy"}
    state.package_groups[group["ModelPackageGroupName"]] = kept


def create_package(state: SageMakerState, request: Record) -> Record:
    """A version of a group, or an unversioned package when only a name is given."""
    body = {key: value for key, value in request.items() if key not in ("Tags", "ModelPackageGroupName")}
    if request.get("ModelPackageGroupName"):
        group = find_group(state, request["ModelPackageGroupName"])["ModelPackageGroupName"]
        version = 1 + int(state.package_groups[group].get("LastVersion", 0))
        state.package_groups[group] = {**state.package_groups[group], "LastVersion": version}
        key = f"{group}/{version}"
        versioned = {
            "ModelPackageGroupName": group,
            "ModelPackageVersion": version,
            "ModelPackageName": group,
        }
        body = {"ModelApprovalStatus": "PendingManualApproval", **body, **versioned}
    elif request.get("ModelPackageName"):
        key = request["ModelPackageName"]
        body.setdefault("ModelApprovalStatus", "Approved")
    else:
        raise validation_error("Either ModelPackageGroupName or ModelPackageName must be specified.")
    arn = state.arn("model-package", key)
    if key in state.packages:
        raise validation_error(f"Model package already exists: {arn}")
    created = {"ModelPackageArn": arn, "CreationTime": state.clock(), "ModelPackageStatus": "Completed"}
    details: Record = {"ValidationStatuses": [], "ImageScanStatuses": []}
    state.packages[key] = {**body, **created, "ModelPackageStatusDetails": details}
    state.set_tags(arn, request.get("Tags"))
    return {"ModelPackageArn": arn}


def find_package(state: SageMakerState, name_or_arn: str) -> Record:
    """The package that a name, `group/version` or an ARN names."""
    key = name_or_arn.rpartition(":model-package/")[2]
    if key not in state.packages:
        raise validation_error(f"ModelPackage {state.arn('model-package', key)} does not exist.")
    return state.packages[key]


def describe_package(state: SageMakerState, request: Record) -> Record:
    return dict(find_package(state, request["ModelPackageName"]))


def update_package(state: SageMakerState, request: Record) -> Record:
    arn = request["ModelPackageArn"]
    changed = {key: value for key, value in request.items() if key not in ("ModelPackageArn",)}
    package = {**find_package(state, arn), **changed, "LastModifiedTime": state.clock()}
    state.packages[arn.rpartition(":model-package/")[2]] = package
    return {"ModelPackageArn": package["ModelPackageArn"]}


def list_packages(state: SageMakerState, request: Record) -> Record:
    rows = list(state.packages.values())
    if request.get("ModelPackageGroupName"):
        group = find_group(state, request["ModelPackageGroupName"])["ModelPackageGroupName"]
        rows = [row for row in rows if row.get("ModelPackageGroupName") == group]
    if request.get("ModelApprovalStatus"):
        rows = [row for row in rows if row["ModelApprovalStatus"] == request["ModelApprovalStatus"]]
    return _PACKAGES.answer(rows, request)


def delete_package(state: SageMakerState, request: Record) -> None:
    package = find_package(state, request["ModelPackageName"])
    del state.packages[package["ModelPackageArn"].rpartition(":model-package/")[2]]
    state.drop_tags(package["ModelPackageArn"])
