"""What AWS services need to write the logs and traces of what they run."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.checks import acknowledge_wildcard

_GATEWAY_ACTIONS = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:PutLogEvents",
)
"""What API Gateway looks for before it accepts a role for the account."""

_STATE_MACHINE_ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)


class DeliveryRights(Construct):
    """One policy for the roles of API Gateway and Step Functions, which no code of ours ever holds."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        # No description: another one would replace the policy, which other stacks hold on to.
        self._policy = iam.ManagedPolicy(
            self,
            "Policy",
            statements=[
                iam.PolicyStatement(
                    actions=sorted({*_GATEWAY_ACTIONS, *_STATE_MACHINE_ACTIONS}), resources=["*"]
                )
            ],
        )
        # The role of API Gateway is the account's, and outlives every stack.
        self._policy.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        acknowledge_wildcard(
            self._policy,
            "*",
            risk="API Gateway's role serves every REST API of the account, and log deliveries have no ARN. A "
            "compromised gateway or state machine could read and write any log group of the account, and "
            "change where logs go.",
        )

    def grant(self, role: iam.Role) -> None:
        """Give the rights to the role of a service."""
        role.add_managed_policy(self._policy)
