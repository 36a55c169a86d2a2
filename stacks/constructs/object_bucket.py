"""Buckets: TLS only, not public, encrypted, logged, with a lifecycle."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.checks import acknowledge_wildcard
from stacks.constructs.encryption_key import EncryptionKey

_ABANDONED_UPLOADS = cdk.Duration.days(7)
_OLD_VERSIONS = cdk.Duration.days(30)


class AccessLogBucket(Construct):
    """Receives the server access logs of the other buckets."""

    def __init__(
        self, scope: Construct, construct_id: str, *, retention: cdk.Duration, removal: cdk.RemovalPolicy
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            # S3 delivers access logs only to buckets whose default encryption is SSE-S3.
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire-logs",
                    expiration=retention,
                    abort_incomplete_multipart_upload_after=_ABANDONED_UPLOADS,
                )
            ],
            removal_policy=removal,
        )


class ObjectBucket(Construct):
    """A versioned bucket, encrypted with the environment's key; `grant_*` allow exact actions on a prefix."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: EncryptionKey,
        access_logs: AccessLogBucket,
        removal: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = key
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=access_logs.bucket,
            server_access_logs_prefix=f"{construct_id.lower()}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire-old-versions",
                    noncurrent_version_expiration=_OLD_VERSIONS,
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=_ABANDONED_UPLOADS,
                )
            ],
            removal_policy=removal,
        )

    @property
    def name(self) -> str:
        """Generated name of the bucket."""
        return self.bucket.bucket_name

    def grant_read(self, role: iam.Role, *, prefix: str = "", risk: str) -> None:
        """Allow listing the bucket and reading objects under `prefix`; `risk` is what that wildcard means."""
        self._grant_list(role)
        self._grant_objects(role, prefix, risk, "s3:GetObject")
        self.key.grant_decrypt(role)

    def grant_read_write(self, role: iam.Role, *, prefix: str, risk: str) -> None:
        """Allow listing the bucket, and reading and writing objects under `prefix`."""
        self._grant_list(role)
        self._grant_objects(role, prefix, risk, "s3:GetObject", "s3:PutObject")
        self.key.grant_encrypt_decrypt(role)

    def arn_for(self, user: Construct) -> str:
        """ARN of the bucket in the stack of `user`.

        Where that is another stack, it is the export, made now rather than at synthesis: cdk-nag names its
        findings after it.
        """
        producer = cdk.Stack.of(self)
        arn = self.bucket.bucket_arn
        return arn if producer == cdk.Stack.of(user) else producer.export_value(arn)

    def _grant_list(self, role: iam.Role) -> None:
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]))

    def _grant_objects(self, role: iam.Role, prefix: str, risk: str, *actions: str) -> None:
        objects = f"{self.arn_for(role)}/{prefix}*"
        role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[objects]))
        acknowledge_wildcard(role, objects, risk=risk)
