"""Where changes of the corpus wait to be indexed."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.object_bucket import ObjectBucket

_ATTEMPTS = 20
"""What fails comes again after 10 seconds, 20, 40 and so on to 4 minutes: for an hour in all."""

_EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")


class ChangeFeed(Construct):
    """S3 events of a bucket in a queue, with a dead-letter queue for what cannot be indexed.

    The queues live beside the bucket: events that wait are state, and a bucket whose queue is in its own
    stack needs no custom resource to be told of it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source: ObjectBucket,
        bucket_names: str,
        key: EncryptionKey,
        visibility_timeout: cdk.Duration,
        removal: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key.key,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            removal_policy=removal,
        )
        self.queue = sqs.Queue(
            self,
            "Changes",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key.key,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            visibility_timeout=visibility_timeout,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=_ATTEMPTS),
            removal_policy=removal,
        )
        self._notify(source, bucket_names)

    def grant_send_dead_letter(self, role: iam.Role) -> None:
        """Allow setting a document aside, with the reason."""
        role.add_to_policy(
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.dead_letters.queue_arn])
        )
        self._key.grant_encrypt_decrypt(role)

    def _notify(self, source: ObjectBucket, bucket_names: str) -> None:
        stack = cdk.Stack.of(self)
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue.queue_arn],
                # The bucket's own ARN would make a cycle: S3 checks the queue's policy before it accepts the
                # notification.
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": f"arn:{stack.partition}:s3:::{bucket_names}"},
                },
            )
        )
        bucket = source.bucket.node.default_child
        if not isinstance(bucket, s3.CfnBucket):
            raise TypeError(f"{source.node.path} has no AWS::S3::Bucket")
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(event=event, queue=self.queue.queue_arn)
                for event in _EVENTS
            ]
        )
        policy = self.queue.node.find_child("Policy")
        bucket.node.add_dependency(policy)
