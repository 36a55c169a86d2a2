"""The asynchronous deployment of the model."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.bundles import Bundles
from stacks.constructs.asynchronous_endpoint import AsynchronousEndpoint
from stacks.constructs.backlog_scaling import BacklogScaling
from stacks.constructs.execution_role import ModelExecutionRole
from stacks.constructs.job_queue import JobQueue
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.model_rights import ModelRights
from stacks.constructs.outcome_feed import OutcomeFeed
from stacks.constructs.python_function import FunctionPlace, PythonFunction
from stacks.storage_stack import StorageStack
from twin.settings import Environment
from twin.settings.asynchronous import AsynchronousSettings

_OUTCOMES_TIMEOUT = cdk.Duration.seconds(60)
_OUTCOMES_PER_BATCH = 10
_OUTCOMES_CONCURRENCY = 10
"""Settles some 100 requests in a second, and leaves the account's concurrency to those who answer clients."""

_OUTCOMES_MEMORY_MIB = 512


class AsynchronousStack(TwinStack):
    """The endpoint, how it scales, and the function that records what became of each request."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        asynchronous: AsynchronousSettings,
        bundles: Bundles,
        storage: StorageStack,
        webhooks: JobQueue,
        rights: ModelRights,
        place: FunctionPlace,
    ) -> None:
        super().__init__(
            scope, "asynchronous", environment=environment, description="LLM twin: asynchronous endpoint"
        )
        self._environment, self._storage, self._place = environment, storage, place
        outcomes = OutcomeFeed(self, "Feed", key=storage.key, function_timeout=_OUTCOMES_TIMEOUT)
        endpoint = AsynchronousEndpoint(
            self,
            "Endpoint",
            names=self.names,
            model=environment.model,
            asynchronous=asynchronous,
            network=place.network,
            key=storage.key,
            bucket_name=storage.exchange.name,
            outcomes=outcomes,
            execution_role=self._execution_role(rights, outcomes),
        )
        BacklogScaling(self, "Scaling", names=self.names, settings=asynchronous, endpoint=endpoint)
        recorder = self._recorder(bundles, outcomes.outcomes, webhooks)
        outcomes.outcomes.feed(
            recorder, batch_size=_OUTCOMES_PER_BATCH, max_concurrency=_OUTCOMES_CONCURRENCY
        )

    def _execution_role(self, rights: ModelRights, outcomes: OutcomeFeed) -> ModelExecutionRole:
        storage, model = self._storage, self._environment.model
        role = ModelExecutionRole(
            self, "ExecutionRole", rights=rights, description="Runs the model on the asynchronous endpoint"
        )
        rights.grant_weights(role.role)
        role.allow_image(model.image)
        role.allow_volume_encryption(storage.key)
        role.allow_logs(
            encrypted_log_group(
                self,
                "EndpointLogs",
                settings=self._environment.logs,
                key=storage.key,
                name=self.names.async_log_group,
            )
        )
        storage.exchange.grant_jobs(role.role)
        outcomes.grant_publish(role.role)
        return role

    def _recorder(self, bundles: Bundles, outcomes: JobQueue, webhooks: JobQueue) -> PythonFunction:
        storage = self._storage
        recorder = PythonFunction(
            self,
            "Outcomes",
            noun="jobs",
            bundle=bundles.jobs,
            handler="jobs.outcomes.handler",
            description="Records what became of asynchronous requests",
            memory_mib=_OUTCOMES_MEMORY_MIB,
            timeout=_OUTCOMES_TIMEOUT,
            place=self._place,
            variables={
                "JOBS_TABLE_NAME": storage.jobs.name,
                "EXCHANGE_BUCKET_NAME": storage.exchange.name,
                "OUTCOME_QUEUE_URL": outcomes.queue_url,
                "WEBHOOK_QUEUE_URL": webhooks.queue_url,
            },
        )
        storage.jobs.grant_read_write(recorder.role)
        storage.exchange.grant_jobs(recorder.role)
        webhooks.grant_send(recorder.role)
        return recorder
