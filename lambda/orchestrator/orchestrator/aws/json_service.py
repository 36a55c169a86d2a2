"""Services whose operations a header names: DynamoDB, SQS, Step Functions, SageMaker's control plane."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from orchestrator.aws.client import AwsConnectionError
from orchestrator.wire import to_json

if TYPE_CHECKING:
    from orchestrator.aws.client import AwsClient

CALL_TIMEOUT_SECONDS = 5.0


class JsonService:
    """Calls operations of one service. `target` is the prefix of their names, `version` the protocol's."""

    def __init__(
        self,
        client: AwsClient,
        target: str,
        *,
        version: str = "1.0",
        timeout_seconds: float = CALL_TIMEOUT_SECONDS,
    ) -> None:
        self._client = client
        self._target = target
        self._content_type = f"application/x-amz-json-{version}"
        self._timeout_seconds = timeout_seconds

    async def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the operation's answer.

        Raises `AwsError` and `AwsConnectionError`; the latter also after `timeout_seconds`.
        """
        headers = {"content-type": self._content_type, "x-amz-target": f"{self._target}.{operation}"}
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.send("POST", "/", to_json(request), headers) as response,
            ):
                answer: dict[str, Any] = json.loads(await response.aread() or b"{}")
                return answer
        except (TimeoutError, ValueError) as error:
            raise AwsConnectionError(error, sent=True) from error
