"""What carries out batches: the state machine, and the transform jobs that it creates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.aws.client import AwsConnectionError, AwsError
from orchestrator.jobs.errors import JobsUnavailableError
from orchestrator.wire import to_json

if TYPE_CHECKING:
    from orchestrator.aws.json_service import JsonService

STATES_TARGET = "AWSStepFunctions"
SAGEMAKER_TARGET = "SageMaker"
SAGEMAKER_VERSION = "1.1"

_NOT_RUNNING = {"ResourceNotFound", "ValidationException"}
"""`StopTransformJob` answers so for a job that does not exist, or that has ended."""


class StateMachine(Protocol):
    async def start(self, name: str, value: dict[str, Any]) -> None:
        """Start an execution of that name unless there is, or was, one. Raises `JobsUnavailableError`."""
        ...


class TransformJobs(Protocol):
    async def stop(self, name: str) -> None:
        """Stop the job if it is running. Raises `JobsUnavailableError`."""
        ...


class StepFunctions:
    """A standard state machine."""

    def __init__(self, service: JsonService, arn: str) -> None:
        self._service = service
        self._arn = arn

    async def start(self, name: str, value: dict[str, Any]) -> None:
        request = {"stateMachineArn": self._arn, "name": name, "input": to_json(value).decode()}
        await _call(self._service, "StartExecution", request, meant={"ExecutionAlreadyExists"})


class SageMakerTransformJobs:
    """Batch transform jobs."""

    def __init__(self, service: JsonService) -> None:
        self._service = service

    async def stop(self, name: str) -> None:
        await _call(self._service, "StopTransformJob", {"TransformJobName": name}, meant=_NOT_RUNNING)


async def _call(service: JsonService, operation: str, request: dict[str, Any], *, meant: set[str]) -> None:
    """Call; refusals of the kinds `meant` say that there is nothing to do."""
    try:
        await service.call(operation, request)
    except AwsError as error:
        if error.kind not in meant:
            raise JobsUnavailableError from error
    except AwsConnectionError as error:
        raise JobsUnavailableError from error
