"""cdk-nag's AwsSolutions rules, run at every synthesis, and the one way to accept a finding."""

from __future__ import annotations

from typing import Any

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct


def add_checks(app: App) -> None:
    """Make synthesis fail on any finding that is not acknowledged."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def acknowledge(scope: IConstruct, rule: str, *, risk: str) -> None:
    """Accept a finding on `scope` and below it. `rule` is an AwsSolutions rule such as `APIG4`."""
    Validations.of(scope).acknowledge(Acknowledgment(id=f"AwsSolutions-{rule}", reason=risk))


def acknowledge_template_warning(scope: IConstruct, rule: str, *, reason: str) -> None:
    """Accept a warning of CDK's own template validation, such as `W3010`."""
    Validations.of(scope).acknowledge(Acknowledgment(id=f"CloudFormation-Validate::{rule}", reason=reason))


def acknowledge_wildcard(scope: IConstruct, resource: str, *, risk: str) -> None:
    """Accept that a policy of `scope` names `resource`, which holds a `*`."""
    acknowledge(scope, f"IAM5[Resource::{_flat(Stack.of(scope).resolve(resource))}]", risk=risk)


def _flat(value: Any) -> str:
    """The text that cdk-nag makes of a reference: `<LogicalId.Attribute>`, or the name of an export."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str(delimiter), list(parts)]}:
            return delimiter.join(_flat(part) for part in parts)
        case {"Fn::GetAtt": [str(logical_id), str(attribute)]}:
            return f"<{logical_id}.{attribute}>"
        case {"Fn::ImportValue": str(name)}:
            return name
        case {"Ref": str(logical_id)}:
            return f"<{logical_id}>"
        case _:
            raise ValueError(f"{value!r} is no reference that cdk-nag flattens")
