"""The bucket through which the deployment types exchange files."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.checks import acknowledge_wildcard
from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.object_bucket import AccessLogBucket, ObjectBucket
from stacks.naming import JOBS_PREFIX

_REPLACED_JOB_OBJECTS = cdk.Duration.days(1)


class ExchangeBucket(ObjectBucket):
    """Weights, the state of the index, and the objects of jobs, which expire."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: EncryptionKey,
        access_logs: AccessLogBucket,
        jobs_retention: cdk.Duration,
        removal: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, key=key, access_logs=access_logs, removal=removal)
        self.bucket.add_lifecycle_rule(
            id="expire-jobs",
            prefix=JOBS_PREFIX,
            expiration=jobs_retention,
            # What a client deletes is to be gone soon, and not with the other old versions.
            noncurrent_version_expiration=_REPLACED_JOB_OBJECTS,
        )
        self._jobs = self._job_objects()

    def grant_jobs(self, role: iam.Role) -> None:
        """Allow reading, writing and deleting the objects of all jobs."""
        role.add_managed_policy(self._jobs)

    def _job_objects(self) -> iam.ManagedPolicy:
        """One policy for all roles: what it may reach is the same for each, and is reviewed once."""
        objects = self.bucket.arn_for_objects(f"{JOBS_PREFIX}*")
        policy = iam.ManagedPolicy(
            self,
            "JobObjects",
            statements=[
                iam.PolicyStatement(
                    actions=["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
                    resources=[objects],
                ),
                # Without it a missing object looks like a forbidden one.
                iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]),
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=[self.key.arn],
                ),
            ],
        )
        acknowledge_wildcard(
            policy,
            objects,
            risk="Jobs' objects are named after jobs. A fault in one of these functions could show a client "
            "another client's files, or delete them; it reaches nothing outside jobs/.",
        )
        return policy
