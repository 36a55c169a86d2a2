"""The functions' environment variables, one typed model for each function."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

Name = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+[^\s]*$", description="Without user and password.")]


class Common(BaseModel):
    """One field for each variable, whose name is the field's in upper case."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper)

    twin_environment: Name = Field(description="Name of the environment, for example `prod`.")
    powertools_service_name: Name
    powertools_metrics_namespace: Name
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    webhook_queue_url: Name

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Raises `pydantic.ValidationError`, which names each variable that is missing or wrong."""
        return cls.model_validate(dict(variables))

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Names of the variables that the template sets."""
        return frozenset(name.upper() for name in cls.model_fields)


class SettlingEnvironment(Common):
    """Of the functions that end jobs."""

    jobs_table_name: Name
    exchange_bucket_name: Name


class OutcomesEnvironment(SettlingEnvironment):
    """Of `jobs.outcomes.handler`."""

    outcome_queue_url: Name


class SweepEnvironment(SettlingEnvironment):
    """Of `jobs.sweep.handler`."""

    batch_state_machine_arn: str = Field(description="Empty where batches are not deployed.")


class Webhook(BaseModel):
    """Where a client wants to be told, and the secret that signs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url
    secret_id: Name = Field(description="Name or ARN of the secret in Secrets Manager.")


class WebhooksEnvironment(Common):
    """Of `jobs.webhooks.handler`."""

    webhooks: Json[dict[str, Webhook]] = Field(description="Webhooks by the client's name.")
