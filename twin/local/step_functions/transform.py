"""The integration `sagemaker:createTransformJob`, with and without `.sync`."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from twin.local.services.errors import ServiceError
from twin.local.services.sagemaker import service
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.transform import TransformJobs
from twin.local.step_functions.rights import Rights, transform_needs
from twin.local.step_functions.runs import ExecutionStopped, Run

RESOURCE = "arn:aws:states:::sagemaker:createTransformJob"
_MODELLED = frozenset({"ResourceInUse", "ResourceLimitExceeded", "ResourceNotFound"})
_LOOP_SECONDS = 30

Answer = TypeVar("Answer")
Failure = Callable[[str, str], Exception]
"""Makes MiniStack's error of a state from error name and cause."""


class TransformTask:
    """Creates the jobs of Task states as their state machines' roles, and waits for them.

    It runs in the threads of executions; SageMaker's operations run in the event loop `loop`.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(
        self, sagemaker: SageMakerState, jobs: TransformJobs, rights: Rights, failure: Failure
    ) -> None:
        self._service = service(sagemaker)
        self._jobs = jobs
        self._rights = rights
        self._failure = failure

    def run(self, resource: str, parameters: dict[str, Any], run: Run, timeout: float | None) -> Any:
        """The result of the Task; raises the error of a state, or ExecutionStopped."""
        name = str(parameters.get("TransformJobName", ""))
        denial = self._rights.denial(run.role_arn, name, *transform_needs(name, self._model_role(parameters)))
        if denial is not None:
            raise self._service_failure(ServiceError("AccessDeniedException", denial))
        waits = resource.endswith(".sync")
        created = self._call("CreateTransformJob", _tagged(parameters, run.arn) if waits else parameters)
        if not waits:
            return {**(created or {}), **_sdk_metadata()}
        return self._await_end(name, run, timeout)

    def _await_end(self, name: str, run: Run, timeout: float | None) -> dict[str, Any]:
        woken = threading.Event()
        run.when_stopped(woken.set)
        self._in_loop(lambda: self._jobs.when_ended(name, woken.set))
        in_time = woken.wait(timeout)
        if run.abandoned:
            raise ExecutionStopped
        if run.stopped or not in_time:
            self._stop(name)
            run.check()
            raise self._failure("States.Timeout", f"Task timed out after {timeout} seconds")
        detail = self._in_loop(lambda: self._jobs.detail(name))
        if detail["TransformJobStatus"] != "Completed":
            raise self._failure("States.TaskFailed", json.dumps(detail))
        return detail

    def _stop(self, name: str) -> None:
        try:
            self._in_loop(lambda: self._service.run("StopTransformJob", {"TransformJobName": name}))
        except ServiceError:
            return  # it has just ended

    def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self._in_loop(lambda: self._service.run(operation, parameters))
        except ServiceError as error:
            raise self._service_failure(error) from None

    def _service_failure(self, error: ServiceError) -> Exception:
        name = f"{error.code}Exception" if error.code in _MODELLED else "AmazonSageMakerException"
        cause = (
            f"{error.message} (Service: AmazonSageMaker; Status Code: {error.status}; "
            f"Error Code: {error.code}; Request ID: {uuid.uuid4()}; Proxy: null)"
        )
        return self._failure(f"SageMaker.{name}", cause)

    def _model_role(self, parameters: dict[str, Any]) -> str | None:
        model = self._service.state.models.get(str(parameters.get("ModelName", "")))
        return None if model is None else model.get("ExecutionRoleArn")

    def _in_loop(self, work: Callable[[], Answer]) -> Answer:
        async def carried_out() -> Answer:
            return work()

        return asyncio.run_coroutine_threadsafe(carried_out(), self.loop).result(_LOOP_SECONDS)


def _tagged(parameters: dict[str, Any], execution_arn: str) -> dict[str, Any]:
    """The request with the tags by which Step Functions marks the jobs it waits for."""
    marks = [
        {"Key": "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "Value": execution_arn},
        {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_AWS_STEP_FUNCTIONS"},
    ]
    return {**parameters, "Tags": [*(parameters.get("Tags") or []), *marks]}


def _sdk_metadata() -> dict[str, Any]:
    request = str(uuid.uuid4())
    return {
        "SdkHttpMetadata": {"HttpStatusCode": 200},
        "SdkResponseMetadata": {"RequestId": request},
    }
