"""The API and the function behind it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.base_stack import TwinStack
from stacks.bundles import Bundles
from stacks.constructs.chat_api import GENERATION_TIMEOUT, ChatApi
from stacks.constructs.firewall import Firewall
from stacks.constructs.python_function import FunctionPlace, PythonFunction, retrieval_layer
from stacks.constructs.realtime_endpoint import grant_invoke
from stacks.constructs.usage_plans import UsagePlans
from stacks.constructs.vector_store import VectorStore
from stacks.naming import Outputs
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
        vectors: VectorStore,
        place: FunctionPlace,
    ) -> None:
        super().__init__(scope, "api", environment=environment, description="LLM twin: API and orchestrator")
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
            variables=self._variables(environment, vectors),
        )
        vectors.grant_query(orchestrator.role)
        grant_invoke(orchestrator.role, self.names)
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
        )
        UsagePlans(self, "UsagePlans", names=self.names, settings=environment.api, api=api.rest_api)
        Firewall(self, "Firewall", requests_per_address=environment.api.requests_per_address, stage=api.stage)
        self.output(Outputs.API_URL, api.rest_api.url)
        self.output(Outputs.API_ID, api.rest_api.rest_api_id)

    def _web_adapter(self) -> lambda_.ILayerVersion:
        arn = self.format_arn(
            service="lambda",
            account=_WEB_ADAPTER_ACCOUNT,
            resource="layer",
            resource_name=_WEB_ADAPTER_LAYER,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return lambda_.LayerVersion.from_layer_version_arn(self, "WebAdapter", arn)

    def _variables(self, environment: Environment, vectors: VectorStore) -> dict[str, str]:
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
