"""Publishing to SNS topics, and reading alarms, from inside the process."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Protocol

from twin.local.services.identity import Identity

_logger = logging.getLogger(__name__)


class Topics(Protocol):
    """SNS topics."""

    def publish(self, topic_arn: str, message: Mapping[str, Any]) -> None:
        """Publish a message; one for a topic that does not exist is lost, which is logged."""


class Alarms(Protocol):
    """CloudWatch alarms."""

    def trigger(self, action_arn: str, metric: str, endpoint: str) -> bool:
        """Whether an alarm on an endpoint's metric has this action."""


class EmulatedTopics:
    """MiniStack's SNS, in the same process. `enforcing` makes the policies of the receiving queues count."""

    def __init__(
        self,
        enforcing: Callable[[], AbstractContextManager[None]] = nullcontext,
        identity: Identity | None = None,
    ) -> None:
        self._enforcing = enforcing
        self._identity = identity or Identity()

    def publish(self, topic_arn: str, message: Mapping[str, Any]) -> None:
        responses: Any = import_module("ministack.core.responses")
        sns: Any = import_module("ministack.services.sns")
        with self._enforcing(), responses.request_scope(self._identity.account, self._identity.region):
            sent = sns.publish_internal(topic_arn, json.dumps(message))
        if sent is None:
            _logger.warning("no SNS topic %s: a notification was lost", topic_arn)


class EmulatedAlarms:
    """MiniStack's CloudWatch, in the same process."""

    def trigger(self, action_arn: str, metric: str, endpoint: str) -> bool:
        alarms: Any = import_module("ministack.services.cloudwatch")._alarms
        dimension = {"Name": "EndpointName", "Value": endpoint}
        return any(
            alarm.get("MetricName") == metric
            and alarm.get("Namespace") == "AWS/SageMaker"
            and action_arn in alarm.get("AlarmActions", ())
            and dimension in alarm.get("Dimensions", ())
            for alarm in list(alarms._data.values())
        )
