"""The queue of events that clients' webhooks are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.aws.client import AwsConnectionError, AwsError
from orchestrator.jobs.errors import JobsUnavailableError
from orchestrator.wire import to_json

if TYPE_CHECKING:
    from orchestrator.aws.json_service import JsonService

TARGET = "AmazonSQS"


class Queue(Protocol):
    async def send(self, message: dict[str, Any]) -> None:
        """Put the message, as JSON, into the queue. Raises `JobsUnavailableError`."""
        ...


class SqsQueue:
    """A queue in SQS."""

    def __init__(self, service: JsonService, url: str) -> None:
        self._service = service
        self._url = url

    async def send(self, message: dict[str, Any]) -> None:
        request = {"QueueUrl": self._url, "MessageBody": to_json(message).decode()}
        try:
            await self._service.call("SendMessage", request)
        except (AwsError, AwsConnectionError) as error:
            raise JobsUnavailableError from error
