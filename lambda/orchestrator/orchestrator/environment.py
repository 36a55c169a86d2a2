"""The function's environment variables, as one typed model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

from prompting.persona import Persona
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, PositiveInt, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

WEB_ADAPTER_VARIABLES = frozenset(
    {"AWS_LAMBDA_EXEC_WRAPPER", "AWS_LWA_INVOKE_MODE", "AWS_LWA_PORT", "AWS_LWA_READINESS_CHECK_PATH"}
)
"""Variables that the Lambda Web Adapter and `run.sh` read, beside those of `Environment`."""

Name = Annotated[str, Field(min_length=1)]

Count = Annotated[PositiveInt | None, BeforeValidator(lambda text: None if text == "" else text)]
"""A whole number, or nothing where the deployment type that it belongs to is not deployed."""

NOT_DEPLOYED = ""


class Environment(BaseModel):
    """One field for each variable, whose name is the field's in upper case."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, protected_namespaces=())

    twin_environment: Name = Field(description="Name of the environment, for example `prod`.")
    powertools_service_name: Name
    powertools_metrics_namespace: Name
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_content: bool = Field(default=False, description="Whether questions and answers are logged.")

    model_id: Name = Field(description="Name under which clients ask for the model.")
    endpoint_name: Name
    inference_component_name: Name
    max_model_len: PositiveInt = Field(description="Context of the model, prompt and answer, in tokens.")
    max_output_tokens: PositiveInt = Field(description="Default and largest length of an answer, in tokens.")
    model_timeout_seconds: float = Field(gt=0, description="Longest time for a whole answer, in seconds.")

    vector_bucket_name: Name
    vector_index_name: Name
    retrieval_top_k: PositiveInt = Field(le=100, description="Passages to search for by default.")
    retrieval_context_tokens: PositiveInt = Field(description="Budget of the prompt's sources, in tokens.")
    retrieval_min_score: float = Field(ge=-1, le=1, description="Least cosine similarity of a source.")
    retrieval_fallback: Literal["fail", "ungrounded"] = Field(
        description="Whether to refuse, or to answer without sources, while they cannot be searched."
    )

    persona: Json[Persona]

    jobs_table_name: str = NOT_DEPLOYED
    exchange_bucket_name: str = NOT_DEPLOYED
    job_retention_days: Count = Field(default=None, description="How long a job is kept, in days.")
    async_endpoint_name: str = Field(default=NOT_DEPLOYED, description="Empty without background responses.")
    async_request_ttl_seconds: Count = None
    async_invocation_timeout_seconds: Count = None
    batch_state_machine_arn: str = Field(default=NOT_DEPLOYED, description="Empty without batches.")
    webhook_queue_url: str = NOT_DEPLOYED
    webhook_clients: Json[dict[str, str]] = Field(
        default={}, description="Name of the API client that has a webhook, by the id of its key."
    )

    @model_validator(mode="after")
    def _jobs_are_complete(self) -> Environment:
        """Whatever takes jobs needs a place for them."""
        needed = {"jobs_table_name", "exchange_bucket_name", "job_retention_days"}
        if self.async_endpoint_name:
            needed |= {"async_request_ttl_seconds", "async_invocation_timeout_seconds"}
        missing = sorted(name.upper() for name in needed if not getattr(self, name))
        users = [name for name in ("async_endpoint_name", "batch_state_machine_arn") if getattr(self, name)]
        if users and missing:
            message = f"{users[0].upper()} is set, so {', '.join(missing)} must be too"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _answer_fits_context(self) -> Environment:
        if self.max_output_tokens >= self.max_model_len:
            message = (
                f"MAX_OUTPUT_TOKENS ({self.max_output_tokens}) must be less than "
                f"MAX_MODEL_LEN ({self.max_model_len})"
            )
            raise ValueError(message)
        return self

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """Raises `pydantic.ValidationError`, which names each variable that is missing or wrong."""
        return cls.model_validate(dict(variables))

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Names of the variables that the model reads."""
        return frozenset(name.upper() for name in cls.model_fields)
