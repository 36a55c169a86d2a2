"""Access logs of API stages: the stage's format, one line a request, in CloudWatch Logs."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from twin.local.gateway.record import GatewayRecord

_VARIABLE = re.compile(r"\$context\.([A-Za-z]+(?:\.[A-Za-z0-9_]+)*)")


def render(template: str, record: GatewayRecord) -> str:
    """A format with its `$context` variables filled in; `-` for what is not known, as on AWS."""
    values = variables(record)

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name.startswith("authorizer."):
            return str(record.authorizer.get(name.removeprefix("authorizer."), "-"))
        return values.get(name, "-")

    return _VARIABLE.sub(value, template)


def variables(record: GatewayRecord) -> dict[str, str]:
    """The `$context` variables of a request that has been answered."""
    now = time.time()
    when = datetime.fromtimestamp(record.started, UTC)
    integration = "-"
    if record.integration_started is not None:
        ended = record.integration_ended or now
        integration = str(round((ended - record.integration_started) * 1000))
    status = "-" if record.integration_status is None else str(record.integration_status)
    return {
        "accountId": record.account_id,
        "apiId": record.api_id,
        "stage": record.stage_name,
        "requestId": record.request_id,
        "extendedRequestId": record.request_id,
        "httpMethod": record.method,
        "path": f"/{record.stage_name}{record.path}",
        "resourcePath": record.resource_path,
        "protocol": "HTTP/1.1",
        "requestTime": when.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": str(round(record.started * 1000)),
        "responseLatency": str(round((now - record.started) * 1000)),
        "responseLength": str(record.response_bytes),
        "status": str(record.status),
        "identity.sourceIp": record.client,
        "identity.userAgent": record.user_agent,
        "identity.apiKeyId": record.api_key_id,
        "integrationLatency": integration,
        "integrationStatus": status,
        "integration.latency": integration,
        "integration.status": status,
        "integration.integrationStatus": status,
        "error.message": record.error_message,
        "error.messageString": f'"{record.error_message}"',
        "error.responseType": record.error_type,
    }
