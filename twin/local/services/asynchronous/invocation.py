"""One asynchronous request: from its input to the object and the notification that tell of its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twin.local.services.asynchronous.backlog import Backlog
from twin.local.services.asynchronous.outcomes import Outcome, failed, notification, topic
from twin.local.services.asynchronous.requests import AsyncRequest
from twin.local.services.models import Container, ModelStreamBrokenError
from twin.local.services.objects import Objects, ObjectsError, parse_uri
from twin.local.services.runtime import errors
from twin.local.services.runtime.copies import CopyPool
from twin.local.services.runtime.faults import Fault
from twin.local.services.runtime.state import RuntimeState
from twin.local.services.sagemaker.endpoint_configs import find_config
from twin.local.services.storage import Record
from twin.local.services.topics import Alarms, Topics

_logger = logging.getLogger(__name__)

RolePermission = Callable[[str, str, str], bool]
"""Whether a role (ARN) may do an action on a resource (ARN)."""


@dataclass(frozen=True, slots=True)
class Collaborators:
    """The services that an asynchronous endpoint works with, with the rights of its model's role."""

    objects: Objects
    topics: Topics
    alarms: Alarms
    permits: RolePermission = lambda role, action, resource: True


@dataclass(frozen=True, slots=True)
class Variant:
    """An asynchronous endpoint's one variant as it is now."""

    name: str
    instances: int
    concurrency: int
    container: Container
    pool: CopyPool
    role: str | None


class AsyncInvocation:
    """Carries one request out. It ends once: the stored request goes when object and notification are out."""

    def __init__(
        self,
        runtime: RuntimeState,
        backlog: Backlog,
        collaborators: Collaborators,
        number: int,
        request: AsyncRequest,
        fault: Fault | None,
    ) -> None:
        self._runtime = runtime
        self._backlog = backlog
        self._with = collaborators
        self._number = number
        self._request = request
        self._fault = fault

    async def run(self, variant: Variant) -> None:
        """Invoke the container of `variant`, and report."""
        await self.report(await self._outcome(variant))

    async def report(self, outcome: Outcome) -> None:
        """Write the object and notify, unless the request was dropped meanwhile; then forget the request."""
        if self._backlog.holds(self._number):
            await self._publish(outcome)
            self._backlog.remove(self._number)

    def _ordered(self, kind: str) -> bool:
        return self._fault is not None and self._fault.kind == kind

    async def _outcome(self, variant: Variant) -> Outcome:
        inline = self._backlog.body(self._number)
        body = self._input(variant) if inline is None else inline
        if isinstance(body, Outcome):
            return body
        try:
            async with asyncio.timeout(self._request.timeout_seconds), variant.pool.slot():
                return await self._invoke(variant, body)
        except TimeoutError:
            return failed(errors.TIMED_OUT)
        except ModelStreamBrokenError as error:
            return _model_failure(500, str(error).encode(), "text/plain")

    def _input(self, variant: Variant) -> bytes | Outcome:
        location = self._request.input_location or ""
        bucket, key = parse_uri(location)
        if not self._permitted(variant.role, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"):
            return failed(f"The execution role may not read the input: s3:GetObject on {location}.")
        found = self._with.objects.get(bucket, key)
        return failed(f"The input object {location} does not exist.") if found is None else found

    async def _invoke(self, variant: Variant, body: bytes) -> Outcome:
        fault = self._fault
        if fault is not None and fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "model_error":
            return _model_failure(fault.status, fault.message.encode(), "text/plain")
        reply = await self._runtime.backend.invoke(body, variant.container)
        answer = b"".join([chunk async for chunk in reply.body])
        if reply.status >= 400:
            return _model_failure(reply.status, answer, reply.content_type)
        return Outcome(answer, reply.content_type)

    async def _publish(self, outcome: Outcome) -> None:
        """Object first, then the notification, unless a fault says otherwise."""
        state = self._runtime.sagemaker
        record = state.endpoints[self._request.endpoint]
        config = find_config(state, record["EndpointConfigName"])
        role = _role(state.models, config)
        settings = config["AsyncInferenceConfig"]
        if self._ordered("notification_before_output") and self._fault is not None:
            self._notify(outcome, settings, role)
            await asyncio.sleep(self._fault.seconds)
            self._write(outcome, settings, role)
            return
        if not self._ordered("missing_output"):
            outcome = self._write(outcome, settings, role)
        self._notify(outcome, settings, role)

    def _write(self, outcome: Outcome, settings: Record, role: str | None) -> Outcome:
        """Write the object; an output that cannot be written makes a failure of a success."""
        location = outcome.location(self._request)
        if location is None:
            return outcome
        bucket, key = parse_uri(location)
        try:
            if not self._permitted(role, "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
                message = f"The execution role may not write the result: s3:PutObject on {location}."
                raise ObjectsError(message)
            kms_key = settings["OutputConfig"].get("KmsKeyId")
            self._with.objects.put(bucket, key, outcome.body, outcome.content_type, kms_key)
        except ObjectsError as error:
            return self._write(failed(str(error)), settings, role) if outcome.completed else outcome
        return outcome

    def _notify(self, outcome: Outcome, settings: Record, role: str | None) -> None:
        arn = topic(outcome, settings)
        if arn is None or self._ordered("drop_notification"):
            return
        if not self._permitted(role, "sns:Publish", arn):
            _logger.warning("role %s may not publish to %s: a notification was lost", role, arn)
            return
        state = self._runtime.sagemaker
        message = notification(self._request, outcome, settings, state.identity.region, state.clock())
        for _ in range(2 if self._ordered("duplicate_notification") else 1):
            self._with.topics.publish(arn, message)

    def _permitted(self, role: str | None, action: str, resource: str) -> bool:
        return role is None or self._with.permits(role, action, resource)


def _role(models: Mapping[str, Any], config: Record) -> str | None:
    """Execution role of the configuration's model."""
    model = models.get(config["ProductionVariants"][0]["ModelName"]) or {}
    role: str | None = model.get("ExecutionRoleArn")
    return role


def _model_failure(status: int, body: bytes, content_type: str) -> Outcome:
    side = "client" if 400 <= status < 500 else "server"
    reason = (
        f"Received {side} error ({status}) from model. "
        "See the SageMaker Endpoint logs in your account for more information."
    )
    return failed(reason, body, content_type)
