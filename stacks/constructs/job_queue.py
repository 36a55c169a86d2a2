"""A queue of messages that a function works off, with a dead-letter queue for those that it cannot."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.python_function import PythonFunction

_RETENTION = cdk.Duration.days(14)
_VISIBILITY_TIMEOUTS = 6
"""A message stays hidden for this many times the function's timeout, as Lambda advises."""


class JobQueue(Construct):
    """Encrypted, TLS only; what was received `attempts` times without success is set aside for 14 days."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: EncryptionKey,
        attempts: int,
        function_timeout: cdk.Duration,
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
            retention_period=_RETENTION,
            removal_policy=removal,
        )
        self.queue = sqs.Queue(
            self,
            "Messages",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key.key,
            enforce_ssl=True,
            retention_period=_RETENTION,
            visibility_timeout=cdk.Duration.seconds(
                _VISIBILITY_TIMEOUTS * int(function_timeout.to_seconds())
            ),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=attempts),
            removal_policy=removal,
        )

    @property
    def queue_url(self) -> str:
        """URL of the queue."""
        return self.queue.queue_url

    def grant_send(self, role: iam.Role) -> None:
        """Allow adding messages."""
        role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.queue.queue_arn]))
        self._key.grant_encrypt_decrypt(role)

    def feed(self, function: PythonFunction, *, batch_size: int, max_concurrency: int) -> None:
        """Let the function work the messages off; it answers which of a batch failed."""
        function.function.add_event_source(
            event_sources.SqsEventSource(
                self.queue,
                batch_size=batch_size,
                max_concurrency=max_concurrency,
                report_batch_item_failures=True,
            )
        )
