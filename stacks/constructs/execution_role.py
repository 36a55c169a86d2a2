"""What SageMaker may do to run the model."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.model_rights import ModelRights
from twin.settings.batch import TransformImage
from twin.settings.model import ContainerImage


class ModelExecutionRole(Construct):
    """Pull the image, read the weights, attach to the network, write logs and metrics; nothing else.

    What has no resource to name comes from the policy that all such roles share.
    """

    def __init__(self, scope: Construct, construct_id: str, *, rights: ModelRights, description: str) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            description=description,
        )
        self._stack = cdk.Stack.of(self)
        rights.grant(self.role)

    def allow_image(self, image: ContainerImage | TransformImage) -> None:
        """Allow pulling the container image."""
        repository = self._stack.format_arn(
            service="ecr", account=image.account, resource="repository", resource_name=image.repository
        )
        self._allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [repository],
        )

    def allow_archive(self, s3_uri: str, kms_key_arn: str | None) -> None:
        """Allow reading one archive of weights."""
        bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
        bucket_arn = f"arn:{self._stack.partition}:s3:::{bucket}"
        self._allow(["s3:GetObject"], [f"{bucket_arn}/{key}"])
        self._allow(["s3:ListBucket"], [bucket_arn])
        if kms_key_arn is not None:
            self._allow(["kms:Decrypt"], [kms_key_arn])

    def allow_logs(self, *groups: logs.LogGroup) -> None:
        """Allow writing to log groups that exist already, and to no others."""
        for group in groups:
            group.grant(self.role, "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")

    def allow_volume_encryption(self, key: EncryptionKey) -> None:
        """Allow attaching encrypted volumes; the service, not the role's holder, uses the grant."""
        key.key.grant(self.role, "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext")
        self._allow(["kms:CreateGrant"], [key.arn], {"Bool": {"kms:GrantIsForAWSResource": "true"}})

    def _allow(
        self, actions: list[str], resources: list[str], conditions: dict[str, dict[str, Any]] | None = None
    ) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
        )
