"""What every function may do that AWS ties to no resource."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.checks import acknowledge_wildcard

_TRACE_ACTIONS = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
_NETWORK_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


class FunctionRights(Construct):
    """One policy that all functions with traces or in the network share, so that it is reviewed once."""

    def __init__(self, scope: Construct, construct_id: str, *, private: bool) -> None:
        super().__init__(scope, construct_id)
        actions = [*_TRACE_ACTIONS, *(_NETWORK_ACTIONS if private else ())]
        # No description: another one would replace the policy, which other stacks hold on to.
        self._policy = iam.ManagedPolicy(
            self,
            "Policy",
            statements=[iam.PolicyStatement(actions=actions, resources=["*"])],
        )
        acknowledge_wildcard(
            self._policy,
            "*",
            risk="Trace segments and a function's network interfaces have no ARN to name. Code in a function "
            "could write false traces and, in a private network, detach others' interfaces.",
        )

    def grant(self, role: iam.Role) -> None:
        """Give the rights to a function's role."""
        role.add_managed_policy(self._policy)
