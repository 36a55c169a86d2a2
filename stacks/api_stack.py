"""The API and the function behind it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.bundles import Bundles
from stacks.constructs.api_routes import GENERATION_TIMEOUT
from stacks.constructs.asynchronous_endpoint import grant_invoke_async
from stacks.constructs.batch_workflow import (
    batch_state_machine_arn,
    grant_start_batches,
    grant_stop_transforms,
)
from stacks.constructs.chat_api import ChatApi
from stacks.constructs.firewall import Firewall
from stacks.constructs.job_queue import JobQueue
from stacks.constructs.python_function import FunctionPlace, PythonFunction, retrieval_layer
from stacks.constructs.realtime_endpoint import grant_invoke
from stacks.constructs.usage_plans import UsagePlans
from stacks.naming import Outputs
from stacks.storage_stack import StorageStack
from twin.settings import Environment

_WEB_ADAPTER_ACCOUNT = "753240598075"
_WEB_ADAPTER_LAYER = "LambdaAdapterLayerArm64:27"
_WEB_ADAPTER_PORT = 8080


class ApiStack(TwinStack):
    """OpenAI-compatible API with keys, tiers and a firewall."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        bundles: Bundles,
        storage: StorageStack,
        webhooks: JobQueue,
        place: FunctionPlace,
    ) -> None:
        super().__init__(scope, "api", environment=environment, description="LLM twin: API and orchestrator")
        self._environment, self._storage, self._webhooks = environment, storage, webhooks
        orchestrator = self._orchestrator(bundles, place)
        authorizer = PythonFunction(
            self,
            "Authorizer",
            noun="authorizer",
            bundle=bundles.authorizer,
            handler="authorizer.handler.handler",
            description="Hands the Bearer token to API Gateway as the API key",
            memory_mib=128,
            timeout=cdk.Duration.seconds(5),
            place=place,
            traced=False,
            private=False,
        )
        api = ChatApi(
            self,
            "Api",
            environment=environment,
            orchestrator=orchestrator,
            authorizer=authorizer,
            key=place.key,
            delivery=storage.delivery_rights,
        )
        plans = UsagePlans(self, "UsagePlans", names=self.names, settings=environment.api, api=api.rest_api)
        orchestrator.function.add_environment(
            "WEBHOOK_CLIENTS", plans.names_by_key(set(environment.jobs.webhooks))
        )
        Firewall(self, "Firewall", requests_per_address=environment.api.requests_per_address, stage=api.stage)
        self.output(Outputs.API_URL, api.rest_api.url)
        self.output(Outputs.API_ID, api.rest_api.rest_api_id)

    def _orchestrator(self, bundles: Bundles, place: FunctionPlace) -> PythonFunction:
        environment, storage = self._environment, self._storage
        orchestrator = PythonFunction(
            self,
            "Orchestrator",
            noun="orchestrator",
            bundle=bundles.orchestrator,
            handler="run.sh",
            description="Answers chat completions from the corpus and the model",
            memory_mib=environment.functions.orchestrator_memory_mib,
            timeout=GENERATION_TIMEOUT,
            layers=[self._web_adapter(), retrieval_layer(self, "Retrieval", bundles.retrieval)],
            place=place,
            variables=self._variables() | self._job_variables(),
        )
        role = orchestrator.role
        storage.vectors.grant_query(role)
        grant_invoke(role, self.names)
        storage.jobs.grant_read_write(role)
        storage.exchange.grant_jobs(role)
        self._webhooks.grant_send(role)
        if environment.asynchronous is not None:
            grant_invoke_async(role, self.names)
        if environment.batch is not None:
            grant_start_batches(role, self.names)
            grant_stop_transforms(role, self.names)
        return orchestrator

    def _web_adapter(self) -> lambda_.ILayerVersion:
        arn = self.format_arn(
            service="lambda",
            account=_WEB_ADAPTER_ACCOUNT,
            resource="layer",
            resource_name=_WEB_ADAPTER_LAYER,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return lambda_.LayerVersion.from_layer_version_arn(self, "WebAdapter", arn)

    def _job_variables(self) -> dict[str, str]:
        """Empty texts stand for a deployment type that the environment does without."""
        storage, asynchronous = self._storage, self._environment.asynchronous
        batches = self._environment.batch is not None
        return {
            "JOBS_TABLE_NAME": storage.jobs.name,
            "EXCHANGE_BUCKET_NAME": storage.exchange.name,
            "JOB_RETENTION_DAYS": str(self._environment.jobs.retention_days),
            "WEBHOOK_QUEUE_URL": self._webhooks.queue_url,
            "ASYNC_ENDPOINT_NAME": self.names.async_endpoint if asynchronous else "",
            "ASYNC_REQUEST_TTL_SECONDS": str(asynchronous.request_ttl_seconds) if asynchronous else "",
            "ASYNC_INVOCATION_TIMEOUT_SECONDS": (
                str(asynchronous.invocation_timeout_seconds) if asynchronous else ""
            ),
            "BATCH_STATE_MACHINE_ARN": batch_state_machine_arn(self, self.names) if batches else "",
        }

    def _variables(self) -> dict[str, str]:
        environment, vectors = self._environment, self._storage.vectors
        return {
            "MODEL_ID": environment.model.id,
            "ENDPOINT_NAME": self.names.endpoint,
            "INFERENCE_COMPONENT_NAME": self.names.inference_component,
            "VECTOR_BUCKET_NAME": vectors.bucket_name,
            "VECTOR_INDEX_NAME": vectors.index_name,
            "MAX_MODEL_LEN": str(environment.model.max_model_len),
            "MAX_OUTPUT_TOKENS": str(environment.api.max_output_tokens),
            "RETRIEVAL_TOP_K": str(environment.retrieval.top_k),
            "RETRIEVAL_CONTEXT_TOKENS": str(environment.retrieval.context_tokens),
            "RETRIEVAL_MIN_SCORE": str(environment.retrieval.min_score),
            "RETRIEVAL_FALLBACK": environment.retrieval.fallback,
            "MODEL_TIMEOUT_SECONDS": str(environment.api.model_timeout_seconds),
            "PERSONA": environment.persona.as_json(),
            "LOG_CONTENT": str(environment.api.log_content).lower(),
            "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
            "AWS_LWA_INVOKE_MODE": "response_stream",
            "AWS_LWA_PORT": str(_WEB_ADAPTER_PORT),
            "AWS_LWA_READINESS_CHECK_PATH": "/health",
        }
