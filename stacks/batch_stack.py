"""Batches: what prepares, runs and joins them."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.bundles import Bundles
from stacks.constructs.batch_definition import FUNCTION_TIMEOUT_SECONDS, BatchResources
from stacks.constructs.batch_model import BatchModel
from stacks.constructs.batch_workflow import BatchWorkflow
from stacks.constructs.execution_role import ModelExecutionRole
from stacks.constructs.job_queue import JobQueue
from stacks.constructs.model_rights import ModelRights
from stacks.constructs.python_function import FunctionPlace, PythonFunction, retrieval_layer
from stacks.storage_stack import StorageStack
from twin.settings import Environment
from twin.settings.batch import BatchSettings

_STEPS_MEMORY_MIB = 1769
_AUGMENT_MEMORY_MIB = 3538
"""Two vCPUs, over which the encoder spreads the questions of many lines at once."""


class BatchStack(TwinStack):
    """The transform job's model, the two functions around it, and the state machine that calls them."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        batch: BatchSettings,
        bundles: Bundles,
        storage: StorageStack,
        webhooks: JobQueue,
        rights: ModelRights,
        place: FunctionPlace,
    ) -> None:
        super().__init__(scope, "batch", environment=environment, description="LLM twin: batches")
        self._environment, self._batch = environment, batch
        self._bundles, self._place, self._storage = bundles, place, storage
        self._retrieval = retrieval_layer(self, "Retrieval", bundles.retrieval)
        role = self._execution_role(rights)
        model = BatchModel(
            self, "Model", model=environment.model, batch=batch, network=place.network, execution_role=role
        )
        steps, augment = self._steps(webhooks), self._augment()
        workflow = BatchWorkflow(
            self,
            "Workflow",
            names=self.names,
            batch=batch,
            logs=environment.logs,
            key=storage.key,
            delivery=storage.delivery_rights,
            resources=BatchResources(
                partition=self.partition,
                steps_function_arn=steps.function.function_arn,
                augment_function_arn=augment.function.function_arn,
                model_name=model.name,
                bucket_name=storage.exchange.name,
                key_arn=storage.key.arn,
                job_prefix=self.names.transform_job_prefix,
                tags={"project": "llm-twin-stack", "environment": environment.name, "stack": "batch"},
            ),
        )
        workflow.allow_invoke(steps.function, augment.function)
        workflow.allow_pass(role.role)

    def _execution_role(self, rights: ModelRights) -> ModelExecutionRole:
        role = ModelExecutionRole(
            self, "ExecutionRole", rights=rights, description="Runs the model in transform jobs"
        )
        rights.grant_transform_logs(role.role)
        role.allow_image(self._batch.image)
        role.allow_archive(self._batch.model_data_url, self._environment.model.source.kms_key_arn)
        self._storage.exchange.grant_jobs(role.role)
        return role

    def _steps(self, webhooks: JobQueue) -> PythonFunction:
        steps = PythonFunction(
            self,
            "Steps",
            noun="batch",
            bundle=self._bundles.batch,
            handler="batch.steps.handler",
            description="Validates, prepares, joins and finishes batches",
            memory_mib=_STEPS_MEMORY_MIB,
            timeout=cdk.Duration.seconds(FUNCTION_TIMEOUT_SECONDS),
            layers=[self._retrieval],  # for the grammar of filters, by which lines are checked
            place=self._place,
            variables={
                **self._stores(),
                "WEBHOOK_QUEUE_URL": webhooks.queue_url,
                "JOB_RETENTION_DAYS": str(self._environment.jobs.retention_days),
                "MODEL_ID": self._environment.model.id,
                "LINES_PER_SHARD": str(self._batch.lines_per_shard),
                "MAX_LINES": str(self._batch.max_lines),
                "TRANSFORM_INSTANCES": str(self._batch.instances),
            },
        )
        self._grant_stores(steps)
        webhooks.grant_send(steps.role)
        return steps

    def _augment(self) -> PythonFunction:
        environment, vectors = self._environment, self._storage.vectors
        augment = PythonFunction(
            self,
            "Augment",
            noun="batch",
            bundle=self._bundles.batch,
            handler="batch.augment.handler",
            description="Adds sources from the corpus to the lines of a batch",
            memory_mib=_AUGMENT_MEMORY_MIB,
            timeout=cdk.Duration.seconds(FUNCTION_TIMEOUT_SECONDS),
            layers=[self._retrieval],
            place=self._place,
            variables={
                **self._stores(),
                "MAX_MODEL_LEN": str(environment.model.max_model_len),
                "MAX_OUTPUT_TOKENS": str(environment.api.max_output_tokens),
                "MAX_PAYLOAD_MIB": str(self._batch.max_payload_mib),
                "VECTOR_BUCKET_NAME": vectors.bucket_name,
                "VECTOR_INDEX_NAME": vectors.index_name,
                "RETRIEVAL_TOP_K": str(environment.retrieval.top_k),
                "RETRIEVAL_CONTEXT_TOKENS": str(environment.retrieval.context_tokens),
                "RETRIEVAL_MIN_SCORE": str(environment.retrieval.min_score),
                "RETRIEVAL_FALLBACK": environment.retrieval.fallback,
                "PERSONA": environment.persona.as_json(),
            },
        )
        self._grant_stores(augment)
        vectors.grant_query(augment.role)
        return augment

    def _stores(self) -> dict[str, str]:
        return {
            "JOBS_TABLE_NAME": self._storage.jobs.name,
            "EXCHANGE_BUCKET_NAME": self._storage.exchange.name,
        }

    def _grant_stores(self, function: PythonFunction) -> None:
        self._storage.jobs.grant_read_write(function.role)
        self._storage.exchange.grant_jobs(function.role)
