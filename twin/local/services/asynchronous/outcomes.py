"""How an asynchronous invocation ended, and what SageMaker tells SNS about it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twin.local.services.asynchronous.requests import AsyncRequest
from twin.local.services.storage import Record

MAX_INCLUDED_BYTES = 128 * 1024
"""Responses up to this size are repeated in notifications where the configuration asks for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The container's answer, or, with a `reason`, a failure whose `body` is written as failure object."""

    body: bytes
    content_type: str = "application/octet-stream"
    reason: str | None = None

    @property
    def completed(self) -> bool:
        """Whether the invocation succeeded."""
        return self.reason is None

    def location(self, request: AsyncRequest) -> str | None:
        """Where its object goes."""
        return request.output_location if self.completed else request.failure_location


def failed(reason: str, body: bytes | None = None, content_type: str = "text/plain") -> Outcome:
    """A failure for `reason`, with the container's answer where there is one."""
    return Outcome(reason.encode() if body is None else body, content_type, f"ClientError: {reason}")


def topic(outcome: Outcome, config: Record) -> str | None:
    """ARN of the topic that hears of the outcome."""
    topics = config["OutputConfig"].get("NotificationConfig") or {}
    name = "SuccessTopic" if outcome.completed else "ErrorTopic"
    return topics.get(name) or None


def notification(
    request: AsyncRequest, outcome: Outcome, config: Record, region: str, now: float
) -> dict[str, Any]:
    """The message, with the members that SageMaker sends."""
    parameters = {
        "accept": request.accept,
        "contentType": request.content_type,
        "endpointName": request.endpoint,
        "inputLocation": request.input_location,
    }
    message: dict[str, Any] = {
        "awsRegion": region,
        "eventTime": _timestamp(now),
        "receivedTime": _timestamp(request.received),
        "invocationStatus": "Completed" if outcome.completed else "Failed",
        "requestParameters": {name: value for name, value in parameters.items() if value is not None},
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if outcome.completed:
        message["responseParameters"] = {
            "contentType": outcome.content_type,
            "outputLocation": request.output_location,
        }
    else:
        message["failureReason"] = outcome.reason
    if _includes_response(outcome, config):
        message["responseBody"] = {
            "content": base64.b64encode(outcome.body).decode(),
            "encoding": "BASE64",
        }
    return message


def _includes_response(outcome: Outcome, config: Record) -> bool:
    wanted = (config["OutputConfig"].get("NotificationConfig") or {}).get("IncludeInferenceResponseIn") or ()
    kind = "SUCCESS_NOTIFICATION_TOPIC" if outcome.completed else "ERROR_NOTIFICATION_TOPIC"
    return kind in wanted and len(outcome.body) <= MAX_INCLUDED_BYTES


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
