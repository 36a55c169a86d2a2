"""What all jobs share: who is told when they end, and who looks after those that do not."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.bundles import Bundles
from stacks.constructs.batch_workflow import (
    batch_state_machine_arn,
    grant_describe_batches,
    grant_start_batches,
    grant_stop_transforms,
)
from stacks.constructs.job_queue import JobQueue
from stacks.constructs.python_function import FunctionPlace, PythonFunction
from stacks.constructs.webhook_secrets import WebhookSecrets
from stacks.naming import Outputs
from stacks.storage_stack import StorageStack
from twin.settings import Environment

_WEBHOOK_ATTEMPTS = 14
"""The pauses double from 15 seconds to an hour: a receiver may be away for six hours."""

_WEBHOOK_TIMEOUT = cdk.Duration.seconds(90)
_WEBHOOKS_PER_BATCH = 5
"""Each may take 10 seconds; so a batch ends within the function's time."""

_WEBHOOK_CONCURRENCY = 10
_SWEEP_TIMEOUT = cdk.Duration.seconds(55)
_MEMORY_MIB = 512


class JobsStack(TwinStack):
    """The queue of webhook messages with the function that delivers them, and the sweeper."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        bundles: Bundles,
        storage: StorageStack,
        place: FunctionPlace,
    ) -> None:
        super().__init__(scope, "jobs", environment=environment, description="LLM twin: jobs")
        self._environment, self._bundles, self._place = environment, bundles, place
        self.webhooks = JobQueue(
            self,
            "Webhooks",
            key=storage.key,
            attempts=_WEBHOOK_ATTEMPTS,
            function_timeout=_WEBHOOK_TIMEOUT,
            removal=cdk.RemovalPolicy.DESTROY,
        )
        self._deliver()
        self._sweep(storage)
        self.output(Outputs.WEBHOOK_DEAD_LETTER_QUEUE_URL, self.webhooks.dead_letters.queue_url)

    def _deliver(self) -> None:
        secrets = WebhookSecrets(
            self,
            "Secrets",
            names=self.names,
            webhooks=self._environment.jobs.webhooks,
            key=self._place.key,
        )
        function = PythonFunction(
            self,
            "Notifier",
            noun="jobs",
            bundle=self._bundles.jobs,
            handler="jobs.webhooks.handler",
            description="Tells clients that their jobs have ended",
            memory_mib=_MEMORY_MIB,
            timeout=_WEBHOOK_TIMEOUT,
            place=self._place,
            # Clients' addresses are on the internet, to which the network has no way.
            private=False,
            variables={"WEBHOOK_QUEUE_URL": self.webhooks.queue_url, "WEBHOOKS": secrets.as_json()},
        )
        secrets.grant_read(function.role)
        self.webhooks.feed(function, batch_size=_WEBHOOKS_PER_BATCH, max_concurrency=_WEBHOOK_CONCURRENCY)

    def _sweep(self, storage: StorageStack) -> None:
        batches = self._environment.batch is not None
        sweeper = PythonFunction(
            self,
            "Sweeper",
            noun="jobs",
            bundle=self._bundles.jobs,
            handler="jobs.sweep.handler",
            description="Brings jobs that are overdue to a definite end",
            memory_mib=_MEMORY_MIB,
            timeout=_SWEEP_TIMEOUT,
            place=self._place,
            variables={
                "JOBS_TABLE_NAME": storage.jobs.name,
                "EXCHANGE_BUCKET_NAME": storage.exchange.name,
                "WEBHOOK_QUEUE_URL": self.webhooks.queue_url,
                "BATCH_STATE_MACHINE_ARN": batch_state_machine_arn(self, self.names) if batches else "",
            },
        )
        storage.jobs.grant_read_write(sweeper.role)
        storage.jobs.grant_find_open(sweeper.role)
        storage.exchange.grant_jobs(sweeper.role)
        self.webhooks.grant_send(sweeper.role)
        if batches:
            grant_start_batches(sweeper.role, self.names)
            grant_describe_batches(sweeper.role, self.names)
            grant_stop_transforms(sweeper.role, self.names)
        events.Rule(
            self,
            "EveryMinute",
            description="Looks for jobs that are overdue",
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
            # The next minute comes anyway.
            targets=[targets.LambdaFunction(sweeper.function, retry_attempts=0)],
        )
