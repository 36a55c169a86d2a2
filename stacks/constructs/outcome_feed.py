"""How the end of an asynchronous request is told: topics, and a queue that keeps what they say."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.job_queue import JobQueue

_ATTEMPTS = 14
"""What fails comes again after 5 seconds, 10, 20 and so on to 10 minutes: for an hour in all."""


class OutcomeFeed(Construct):
    """SageMaker publishes successes and errors; both go to one queue, as they are.

    A queue, rather than a function that the topics call, keeps a message until it is dealt with, and sets
    aside the one that cannot be.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: EncryptionKey,
        function_timeout: cdk.Duration,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.outcomes = JobQueue(
            self,
            "Outcomes",
            key=key,
            attempts=_ATTEMPTS,
            function_timeout=function_timeout,
            removal=cdk.RemovalPolicy.DESTROY,
        )
        self.successes = sns.Topic(self, "Successes", master_key=key.key, enforce_ssl=True)
        self.errors = sns.Topic(self, "Errors", master_key=key.key, enforce_ssl=True)
        self._subscribe()

    def grant_publish(self, role: iam.Role) -> None:
        """Allow publishing to the encrypted topics."""
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"], resources=[self.successes.topic_arn, self.errors.topic_arn]
            )
        )
        self._key.grant_encrypt_decrypt(role)

    def _subscribe(self) -> None:
        """By hand: the L2 would change the policy of the key, which another stack owns.

        That policy lets SNS use the key for topics of this account.
        """
        queue = self.outcomes.queue
        for name, topic in (("Successes", self.successes), ("Errors", self.errors)):
            subscription = sns.CfnSubscription(
                self,
                f"{name}ToQueue",
                topic_arn=topic.topic_arn,
                protocol="sqs",
                endpoint=queue.queue_arn,
                raw_message_delivery=True,
            )
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("sns.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": topic.topic_arn}},
                )
            )
            subscription.node.add_dependency(queue.node.find_child("Policy"))
