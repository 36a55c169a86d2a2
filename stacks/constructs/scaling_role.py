"""The role by which Application Auto Scaling changes endpoints."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

_SERVICE_ROLE = (
    "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


def scaling_role(scope: Construct) -> iam.IRole:
    """The service-linked role, which is used anyway; CDK would otherwise make an empty one."""
    arn = cdk.Stack.of(scope).format_arn(
        service="iam", region="", resource="role", resource_name=_SERVICE_ROLE
    )
    return iam.Role.from_role_arn(scope, "ServiceRole", arn, mutable=False)
