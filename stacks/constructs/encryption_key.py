"""The customer-managed key of an environment."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

_ENCRYPT_AND_DECRYPT = ("kms:Decrypt", "kms:GenerateDataKey")


class EncryptionKey(Construct):
    """Encrypts buckets, queues, topics, tables, vectors and logs; rotated every year."""

    def __init__(
        self, scope: Construct, construct_id: str, *, alias: str, removal: cdk.RemovalPolicy
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            alias=alias,
            description="Encrypts the corpus, its vectors, exchanged files, jobs, queues and logs",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        self._allow_logs()
        self._allow_bucket_notifications()
        self._allow_vector_indexing()
        self._allow_topics()

    @property
    def arn(self) -> str:
        """ARN of the key."""
        return self.key.key_arn

    def grant_decrypt(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading what the key encrypted."""
        return self.key.grant(grantee, "kms:Decrypt")

    def grant_encrypt_decrypt(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading and writing what the key encrypts."""
        return self.key.grant(grantee, *_ENCRYPT_AND_DECRYPT)

    def _allow_logs(self) -> None:
        stack = cdk.Stack.of(self)
        groups = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name="*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self._allow(
            f"logs.{stack.region}.amazonaws.com",
            (
                *_ENCRYPT_AND_DECRYPT,
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:Encrypt",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                "kms:DescribeKey",
            ),
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )

    def _allow_bucket_notifications(self) -> None:
        self._allow("s3.amazonaws.com", _ENCRYPT_AND_DECRYPT, self._from_this_account())

    def _allow_vector_indexing(self) -> None:
        """S3 Vectors reads what it stores to maintain the index, under a principal of its own."""
        buckets = cdk.Stack.of(self).format_arn(service="s3vectors", resource="bucket", resource_name="*")
        self._allow(
            "indexing.s3vectors.amazonaws.com",
            ("kms:Decrypt",),
            {**self._from_this_account(), "ArnLike": {"aws:SourceArn": buckets}},
        )

    def _allow_topics(self) -> None:
        """SNS hands messages to encrypted queues."""
        self._allow("sns.amazonaws.com", _ENCRYPT_AND_DECRYPT, self._from_this_account())

    def _from_this_account(self) -> dict[str, Any]:
        return {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}}

    def _allow(self, service: str, actions: tuple[str, ...], conditions: dict[str, Any]) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=list(actions),
                resources=["*"],
                conditions=conditions,
            )
        )
