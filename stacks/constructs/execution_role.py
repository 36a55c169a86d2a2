"""What SageMaker may do to run the model."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.constructs.checks import acknowledge_wildcard
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.private_network import PrivateNetwork
from twin.settings.batch import TransformImage
from twin.settings.model import ContainerImage

_DESCRIBE_NETWORK = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)


class ModelExecutionRole(Construct):
    """Pull the image, read the weights, attach to the network, write logs; nothing else."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str = "Runs the model on the realtime endpoint",
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            description=description,
        )
        self._stack = cdk.Stack.of(self)

    def allow_image(self, image: ContainerImage | TransformImage) -> None:
        """Allow pulling the container image."""
        repository = self._stack.format_arn(
            service="ecr", account=image.account, resource="repository", resource_name=image.repository
        )
        self._allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [repository],
        )
        self._allow(["ecr:GetAuthorizationToken"], ["*"])

    def allow_weights(self, s3_uri: str, kms_key_arn: str | None) -> None:
        """Allow reading weights outside this environment's buckets."""
        bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
        bucket_arn = f"arn:{self._stack.partition}:s3:::{bucket}"
        objects = f"{bucket_arn}/{prefix}*"
        self._allow(["s3:GetObject"], [objects])
        self._allow(["s3:ListBucket"], [bucket_arn])
        acknowledge_wildcard(
            self.role,
            objects,
            risk="The model can read every object under its weights' prefix: nothing else may be put there.",
        )
        if kms_key_arn is not None:
            self._allow(["kms:Decrypt"], [kms_key_arn])

    def allow_archive(self, s3_uri: str, kms_key_arn: str | None) -> None:
        """Allow reading one archive of weights."""
        bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
        bucket_arn = f"arn:{self._stack.partition}:s3:::{bucket}"
        self._allow(["s3:GetObject"], [f"{bucket_arn}/{key}"])
        self._allow(["s3:ListBucket"], [bucket_arn])
        if kms_key_arn is not None:
            self._allow(["kms:Decrypt"], [kms_key_arn])

    def allow_network(self, network: PrivateNetwork) -> None:
        """Allow attaching instances to the network's subnets with the models' security group."""
        interfaces = self._arn("network-interface", "*")
        subnets = [self._arn("subnet", subnet.subnet_id) for subnet in network.vpc.isolated_subnets]
        group = self._arn("security-group", network.model_group.security_group_id)
        self._allow(["ec2:CreateNetworkInterface"], [interfaces, *subnets, group])
        vpc = {"ArnEquals": {"ec2:Vpc": self._arn("vpc", network.vpc.vpc_id)}}
        self._allow(
            [
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            [interfaces],
            vpc,
        )
        self._allow(list(_DESCRIBE_NETWORK), ["*"])
        acknowledge_wildcard(
            self.role,
            interfaces,
            risk="Network interfaces get their ids when they are made. The role can delete any interface of "
            "this network, which holds only this environment's.",
        )
        acknowledge_wildcard(
            self.role,
            "*",
            risk="ecr:GetAuthorizationToken, ec2:Describe* and cloudwatch:PutMetricData know no resources. "
            "The role can read the shape of every network in the account, and write false metrics.",
        )

    def allow_logs(self, groups: list[logs.LogGroup]) -> None:
        """Allow writing to log groups that exist already, and the metrics of the hosts."""
        for group in groups:
            group.grant(self.role, "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
        self._allow(
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
        )

    def allow_shared_log(self, name: str) -> None:
        """Allow making and writing to a log group that jobs of the whole account share."""
        group = self._stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"{name}:*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self._allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [group],
        )
        acknowledge_wildcard(
            self.role,
            group,
            risk="Streams are named after hosts that are not known before. The role can add lines to the log "
            "of another job of the account, but read or remove none.",
        )

    def allow_volume_encryption(self, key: EncryptionKey) -> None:
        """Allow attaching encrypted volumes; the service, not the role's holder, uses the grant."""
        key.key.grant(self.role, "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext")
        self._allow(["kms:CreateGrant"], [key.arn], {"Bool": {"kms:GrantIsForAWSResource": "true"}})

    def _arn(self, resource: str, name: str) -> str:
        return self._stack.format_arn(service="ec2", resource=resource, resource_name=name)

    def _allow(
        self, actions: list[str], resources: list[str], conditions: dict[str, dict[str, Any]] | None = None
    ) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
        )
