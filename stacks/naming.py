"""Every name that crosses a stack, or that a tool outside the stacks looks up, lives here.

Names of things that CloudFormation replaces travel as plain strings instead of exports, because an
export locks the stack that produces it.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "twin"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one environment, for example `Names("prod")`."""

    environment: str

    def stack(self, noun: str) -> str:
        """Name of the CloudFormation stack that `noun` names: `twin-prod-storage`."""
        return f"{PREFIX}-{self.environment}-{noun}"

    @property
    def endpoint(self) -> str:
        """SageMaker realtime endpoint."""
        return f"{PREFIX}-{self.environment}-realtime"

    @property
    def inference_component(self) -> str:
        """Inference component on the realtime endpoint."""
        return f"{PREFIX}-{self.environment}-realtime-model"

    def tier(self, name: str) -> str:
        """Usage plan of an API tier."""
        return f"{PREFIX}-{self.environment}-{name}"

    def client_key(self, client: str) -> str:
        """API key of a client; `python -m twin` finds its value by this name."""
        return f"{PREFIX}-{self.environment}-{client}"

    @property
    def buckets(self) -> str:
        """Pattern of the buckets' generated names: no stack's, since CloudFormation cuts a long one."""
        return f"{PREFIX}-{self.environment}-*"

    @property
    def api(self) -> str:
        """REST API."""
        return f"{PREFIX}-{self.environment}-api"

    @property
    def encryption_key_alias(self) -> str:
        """Alias of the key that encrypts what the environment stores."""
        return f"alias/{PREFIX}-{self.environment}"

    @property
    def model_log_groups(self) -> tuple[str, str]:
        """Log groups that SageMaker writes the endpoint's and the inference component's output to."""
        return (
            f"/aws/sagemaker/Endpoints/{self.endpoint}",
            f"/aws/sagemaker/InferenceComponents/{self.inference_component}",
        )

    @property
    def model_package_group(self) -> str:
        """Model Registry group."""
        return f"{PREFIX}-{self.environment}-models"

    @property
    def metrics_namespace(self) -> str:
        """CloudWatch namespace of the metrics that the functions emit."""
        return "LlmTwin"


VARIANT = "main"
"""Name of the production variant of every endpoint."""

VECTOR_INDEX = "corpus"
"""Name of the S3 Vectors index within its bucket."""

INDEX_STATE_PREFIX = "index-state/"
"""Exchange-bucket prefix where the ingestion function records what it indexed of each corpus object."""

MODELS_PREFIX = "models/"
"""Exchange-bucket prefix under which registered weights lie."""


class Outputs:
    """CloudFormation output keys that `python -m twin` reads."""

    CORPUS_BUCKET = "CorpusBucketName"
    EXCHANGE_BUCKET = "ExchangeBucketName"
    VECTOR_BUCKET = "VectorBucketName"
    DEAD_LETTER_QUEUE_URL = "DeadLetterQueueUrl"
    API_URL = "ApiUrl"
    API_ID = "ApiId"
    ENDPOINT = "EndpointName"
