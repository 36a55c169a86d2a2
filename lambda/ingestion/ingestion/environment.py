"""The function's environment variables, as one typed model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVED_VARIABLES = frozenset({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE"})
"""Variables of the model that Lambda sets by itself."""

MEMORY_PER_VCPU = 1769
"""Megabytes of memory with which Lambda gives a function one vCPU."""

Name = Annotated[str, Field(min_length=1)]


class Environment(BaseModel):
    """One field for each variable, whose name is the field's in upper case."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper)

    twin_environment: Name = Field(description="Name of the environment, for example `prod`.")
    powertools_service_name: Name
    powertools_metrics_namespace: Name
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    corpus_bucket_name: Name
    exchange_bucket_name: Name
    vector_bucket_name: Name
    vector_index_name: Name
    change_queue_url: Name
    dead_letter_queue_url: Name

    aws_lambda_function_memory_size: PositiveInt = Field(
        default=MEMORY_PER_VCPU, description="Memory of the function, in megabytes."
    )

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Environment:
        """Raises `pydantic.ValidationError`, which names each variable that is missing or wrong."""
        return cls.model_validate(dict(variables))

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Names of the variables that the template sets."""
        return frozenset(name.upper() for name in cls.model_fields) - RESERVED_VARIABLES

    def encoder_threads(self, processors: int) -> int:
        """Return the vCPUs that the function's memory comes with, at most the machine's."""
        return max(1, min(round(self.aws_lambda_function_memory_size / MEMORY_PER_VCPU), processors))
