"""The functions' environment variables, one typed model for each function."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

from prompting.persona import Persona
from pydantic import BaseModel, ConfigDict, Field, Json, PositiveInt, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

RESERVED_VARIABLES = frozenset({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE"})
"""Variables of the models that Lambda sets by itself."""

MEMORY_PER_VCPU = 1769
"""Megabytes of memory with which Lambda gives a function one vCPU."""

Name = Annotated[str, Field(min_length=1)]


class _Environment(BaseModel):
    """One field for each variable, whose name is the field's in upper case."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, protected_namespaces=())

    twin_environment: Name = Field(description="Name of the environment, for example `prod`.")
    powertools_service_name: Name
    powertools_metrics_namespace: Name
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    jobs_table_name: Name
    exchange_bucket_name: Name

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Raises `pydantic.ValidationError`, which names each variable that is missing or wrong."""
        return cls.model_validate(dict(variables))

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Names of the variables that the template sets."""
        return frozenset(name.upper() for name in cls.model_fields) - RESERVED_VARIABLES


class StepsEnvironment(_Environment):
    """Variables of `batch.steps.handler`."""

    webhook_queue_url: Name
    job_retention_days: PositiveInt = Field(description="How long the files of a batch are kept.")
    model_id: Name = Field(description="Name under which clients ask for the model.")
    lines_per_shard: PositiveInt = Field(description="Most lines of one shard.")
    max_lines: PositiveInt = Field(description="Most lines of a batch.")
    transform_instances: PositiveInt = Field(description="Instances of a transform job: least shards.")


class AugmentEnvironment(_Environment):
    """Variables of `batch.augment.handler`."""

    max_model_len: PositiveInt = Field(description="Context of the model, prompt and answer, in tokens.")
    max_output_tokens: PositiveInt = Field(description="Default and largest length of an answer, in tokens.")
    max_payload_mib: PositiveInt = Field(description="Longest line of the transform job's input, in MiB.")

    vector_bucket_name: Name
    vector_index_name: Name
    retrieval_top_k: PositiveInt = Field(le=100, description="Passages to search for by default.")
    retrieval_context_tokens: PositiveInt = Field(description="Budget of the prompt's sources, in tokens.")
    retrieval_min_score: float = Field(ge=-1, le=1, description="Least cosine similarity of a source.")
    retrieval_fallback: Literal["fail", "ungrounded"] = Field(
        description="Whether a line fails, or is answered without sources, while they cannot be searched."
    )

    persona: Json[Persona]

    aws_lambda_function_memory_size: PositiveInt = Field(
        default=MEMORY_PER_VCPU, description="Memory of the function, in megabytes."
    )

    @model_validator(mode="after")
    def _answer_fits_context(self) -> Self:
        if self.max_output_tokens >= self.max_model_len:
            message = (
                f"MAX_OUTPUT_TOKENS ({self.max_output_tokens}) must be less than "
                f"MAX_MODEL_LEN ({self.max_model_len})"
            )
            raise ValueError(message)
        return self

    def encoder_threads(self, processors: int) -> int:
        """Return the vCPUs that the function's memory comes with, at most the machine's."""
        return max(1, min(round(self.aws_lambda_function_memory_size / MEMORY_PER_VCPU), processors))
