"""What the SageMaker control plane knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from twin.local.services.errors import ServiceError, validation_error
from twin.local.services.events import EventSink, ignore_events
from twin.local.services.identity import Identity
from twin.local.services.sagemaker.lifecycle import Delays
from twin.local.services.storage import Database, Record, Records


class Roles(Protocol):
    """Who may be assumed: asked when a resource names an execution role."""

    def assumable(self, role_arn: str, service: str) -> bool:
        """Whether the role exists and trusts `service` (`sagemaker.amazonaws.com`)."""


class AnyRole:
    """Every role exists: for use without an IAM service."""

    def assumable(self, role_arn: str, service: str) -> bool:
        return True


class TransformRunner(Protocol):
    """What carries stored transform jobs out."""

    def begin(self, name: str) -> None:
        """Run a job that was just stored."""

    def stop(self, name: str) -> None:
        """End a running job early."""


ScaledVariants = Callable[[str], Iterable[str]]
"""Names of an endpoint's variants that have a scalable target."""


class SageMakerState:
    """Models, endpoint configurations, endpoints, inference components, transform jobs, the Model Registry.

    Records keep the API's own field names. `scaled_variants` is set by the autoscaling service,
    `endpoint_deleted`, which is told an endpoint's name, by the runtime, `transforms` by what runs the jobs,
    `announce` by the process that has an event bus.
    """

    transforms: TransformRunner

    def __init__(
        self,
        database: Database,
        identity: Identity | None = None,
        *,
        delays: Delays | None = None,
        roles: Roles | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.identity = identity or Identity()
        self.delays = delays or Delays()
        self.roles: Roles = roles or AnyRole()
        self.clock = clock
        self.scaled_variants: ScaledVariants = lambda endpoint: ()
        self.announce: EventSink = ignore_events
        self.endpoint_deleted: Callable[[str], None] = lambda endpoint: None
        self.models = database.records("sagemaker.model")
        self.endpoint_configs = database.records("sagemaker.endpoint-config")
        self.endpoints = database.records("sagemaker.endpoint")
        self.components = database.records("sagemaker.inference-component")
        self.package_groups = database.records("sagemaker.model-package-group")
        self.packages = database.records("sagemaker.model-package")
        self.transform_jobs = database.records("sagemaker.transform-job")
        self.tags = database.records("sagemaker.tags")

    def arn(self, kind: str, name: str) -> str:
        """ARN of a resource; `kind` is for example `model` or `endpoint-config`."""
        return self.identity.arn("sagemaker", f"{kind}/{name}")

    def require(self, records: Records, kind: str, noun: str, name: str) -> Record:
        """The record, or AWS's `Could not find …`."""
        if name not in records:
            raise validation_error(f'Could not find {noun} "{self.arn(kind, name)}".')
        return records[name]

    def require_new(self, records: Records, kind: str, noun: str, name: str) -> None:
        if name in records:
            raise validation_error(f'Cannot create already existing {noun} "{self.arn(kind, name)}".')

    def require_role(self, role_arn: str | None) -> None:
        """Refuse a role that does not exist or that SageMaker may not assume."""
        if role_arn is not None and not self.roles.assumable(role_arn, "sagemaker.amazonaws.com"):
            raise validation_error(
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
                "'sagemaker.amazonaws.com' to assume the role."
            )

    def set_tags(self, arn: str, tags: Iterable[Record] | None) -> None:
        """Add tags (`[{Key, Value}]`) to those of a resource."""
        merged = {**self.tags.get(arn, {}), **{tag["Key"]: tag["Value"] for tag in tags or ()}}
        if merged:
            self.tags[arn] = merged

    def drop_tags(self, arn: str) -> None:
        if arn in self.tags:
            del self.tags[arn]


def exactly_one(request: Record, *names: str) -> str:
    """The one of `names` that `request` carries; `ValidationException` for none or several."""
    given = [name for name in names if request.get(name) is not None]
    if len(given) != 1:
        raise ServiceError("ValidationException", f"Exactly one of {' and '.join(names)} must be specified.")
    return given[0]
