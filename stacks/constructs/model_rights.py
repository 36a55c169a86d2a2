"""What every role that runs the model may do, whichever deployment type it belongs to."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.checks import acknowledge_wildcard
from stacks.constructs.object_bucket import ObjectBucket
from stacks.constructs.private_network import PrivateNetwork
from stacks.naming import MODELS_PREFIX, TRANSFORM_LOG_GROUP
from twin.settings.model import ModelSource

_DESCRIBE_NETWORK = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
_WRITE_LOGS = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
)
_METRICS = {"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}}


class ModelRights(Construct):
    """Policies that the roles share, so that each wildcard is reviewed once.

    `grant` gives what AWS ties to no resource, or to one without a name; `grant_weights` the weights;
    `grant_transform_logs` the log that all transform jobs of the account share.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source: ModelSource,
        exchange: ObjectBucket,
        network: PrivateNetwork,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stack = cdk.Stack.of(self)
        self._hosting = self._hosting_policy(network)
        self._transform_logs = self._transform_log_policy()
        # Exported in any case: a batch stack that is to go still imports it while this stack is updated.
        self._stack.export_value(self._transform_logs.managed_policy_arn)
        self._weights = (
            self._own_weights(exchange)
            if source.weights_uri is None
            else self._other_weights(source.weights_uri, source.kms_key_arn)
        )
        acknowledge_wildcard(
            self,
            "*",
            risk="Most of these actions know no resource, or one that has no name before it is made; writing "
            "logs is denied again outside the group of transform jobs. The roles can read the alarms and the "
            "shape of every network in the account, write false metrics, add lines to the logs of other "
            "transform jobs, and delete any interface of this network, which holds only this environment's.",
        )

    def grant(self, role: iam.Role) -> None:
        """Allow attaching to the network, signing in to the registry of images, writing hosts' metrics."""
        role.add_managed_policy(self._hosting)

    def grant_weights(self, role: iam.Role) -> None:
        """Allow reading the weights that endpoints load."""
        role.add_managed_policy(self._weights)

    def grant_transform_logs(self, role: iam.Role) -> None:
        """Allow making, and writing to, the log group of transform jobs."""
        role.add_managed_policy(self._transform_logs)

    def _hosting_policy(self, network: PrivateNetwork) -> iam.ManagedPolicy:
        vpc = {"ec2:Vpc": network.vpc_arn}
        return iam.ManagedPolicy(
            self,
            "Hosting",
            statements=[
                # A new interface is of no network yet; the subnet and the group that it is made with are.
                _on_all("ec2:CreateNetworkInterface", conditions={"ArnEqualsIfExists": vpc}),
                _on_all(
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                    conditions={"ArnEquals": vpc},
                ),
                _on_all(*_DESCRIBE_NETWORK, "ecr:GetAuthorizationToken"),
                # SageMaker looks at the alarms of a deploy with the model's role; CloudWatch checks this
                # against all alarms, also where one is named.
                _on_all("cloudwatch:DescribeAlarms"),
                _on_all("cloudwatch:PutMetricData", conditions=_METRICS),
            ],
        )

    def _transform_log_policy(self) -> iam.ManagedPolicy:
        """Writing to one group, in which streams are named after hosts that are not known before.

        The streams need a wildcard. As a limit on what all resources are allowed, it is covered by the one
        finding that is acknowledged for all of these policies.
        """
        group = self._stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=TRANSFORM_LOG_GROUP,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return iam.ManagedPolicy(
            self,
            "TransformLogs",
            statements=[
                _on_all(*_WRITE_LOGS),
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    actions=list(_WRITE_LOGS),
                    not_resources=[group, f"{group}:*"],
                ),
            ],
        )

    def _own_weights(self, exchange: ObjectBucket) -> iam.ManagedPolicy:
        bucket = exchange.arn_for(self)
        objects = f"{bucket}/{MODELS_PREFIX}*"
        return self._weights_policy(
            bucket,
            objects,
            exchange.key.arn,
            risk="The model can read the weights of every registered version, also of rejected ones.",
        )

    def _other_weights(self, s3_uri: str, kms_key_arn: str | None) -> iam.ManagedPolicy:
        """Read weights outside this environment's buckets."""
        bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
        bucket_arn = f"arn:{self._stack.partition}:s3:::{bucket}"
        return self._weights_policy(
            bucket_arn,
            f"{bucket_arn}/{prefix}*",
            kms_key_arn,
            risk="The model can read every object under its weights' prefix: nothing else may be put there.",
        )

    def _weights_policy(
        self, bucket_arn: str, objects: str, key_arn: str | None, *, risk: str
    ) -> iam.ManagedPolicy:
        policy = iam.ManagedPolicy(
            self,
            "Weights",
            statements=[
                iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]),
                iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn]),
                *([iam.PolicyStatement(actions=["kms:Decrypt"], resources=[key_arn])] if key_arn else []),
            ],
        )
        acknowledge_wildcard(policy, objects, risk=risk)
        return policy


def _on_all(*actions: str, conditions: dict[str, dict[str, Any]] | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=["*"], conditions=conditions)
