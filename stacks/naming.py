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
    def async_endpoint(self) -> str:
        """SageMaker asynchronous endpoint."""
        return f"{PREFIX}-{self.environment}-asynchronous"

    @property
    def batch_state_machine(self) -> str:
        """State machine that runs batches; executions are looked up by the batch's id."""
        return f"{PREFIX}-{self.environment}-batch"

    @property
    def transform_job_prefix(self) -> str:
        """Beginning of the names of batches' transform jobs."""
        return f"{PREFIX}-{self.environment}-"

    @property
    def transform_jobs(self) -> str:
        """Pattern of the names of batches' transform jobs: the digits of a batch's id, and of the attempt."""
        return f"{self.transform_job_prefix}{BATCH_DIGITS}-?"

    @property
    def batch_log_group(self) -> str:
        """Log group of the state machine; under this prefix all share one resource policy."""
        return f"/aws/vendedlogs/states/{self.batch_state_machine}"

    def webhook_secret(self, client: str) -> str:
        """Secret with which the notices to a client are signed; its owner finds it by this name."""
        return f"{PREFIX}-{self.environment}-webhook-{client}"

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
    def async_log_group(self) -> str:
        """Log group that SageMaker writes the asynchronous endpoint's output to."""
        return f"/aws/sagemaker/Endpoints/{self.async_endpoint}"

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

BATCH_DIGITS = "?" * 32
"""Pattern of a batch's id without its prefix, which names its execution and its transform jobs."""

JOBS_PREFIX = "jobs/"
"""Exchange-bucket prefix of everything that jobs read and write; what lies there expires."""

ASYNC_INPUT_PREFIX = f"{JOBS_PREFIX}asynchronous/input/"
ASYNC_OUTPUT_PREFIX = f"{JOBS_PREFIX}asynchronous/output/"
ASYNC_FAILURE_PREFIX = f"{JOBS_PREFIX}asynchronous/failure/"
ASYNC_CAPTURE_PREFIX = f"{JOBS_PREFIX}asynchronous/captured/"

BATCHES_PREFIX = f"{JOBS_PREFIX}batches/"
"""Exchange-bucket prefix of what batches write on their way, each under its digits."""

TRANSFORM_LOG_GROUP = "/aws/sagemaker/TransformJobs"
"""Log group that SageMaker writes every transform job's output to; the account's, so no stack's."""

JOBS_INDEX = "open-jobs"
"""Index of the jobs table that holds the jobs that have not ended."""


class Outputs:
    """CloudFormation output keys that `python -m twin` reads."""

    CORPUS_BUCKET = "CorpusBucketName"
    EXCHANGE_BUCKET = "ExchangeBucketName"
    VECTOR_BUCKET = "VectorBucketName"
    DEAD_LETTER_QUEUE_URL = "DeadLetterQueueUrl"
    JOBS_TABLE = "JobsTableName"
    WEBHOOK_DEAD_LETTER_QUEUE_URL = "WebhookDeadLetterQueueUrl"
    API_URL = "ApiUrl"
    API_ID = "ApiId"
    ENDPOINT = "EndpointName"
