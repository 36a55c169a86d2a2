"""What Lambda passes to the handlers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

DIMENSIONS = {"environment": "test", "service": "jobs"}
"""Of every metric."""

NONE: dict[str, Any] = {"batchItemFailures": []}
"""What a handler returns where no message failed."""


@dataclass
class Context:
    """What Lambda passes beside the event."""

    function_name: str = "jobs"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:jobs"
    aws_request_id: str = "request-1"
    remaining_ms: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def messages(*bodies: str, sent_at: float = 1_000.0, receives: int = 1) -> dict[str, Any]:
    """Messages of a queue, `message-0` and so on; `sent_at` in seconds since the epoch."""
    records = [
        {
            "messageId": f"message-{number}",
            "receiptHandle": f"receipt-{number}",
            "body": body,
            "attributes": {
                "SentTimestamp": str(int(sent_at * 1000)),
                "ApproximateReceiveCount": str(receives),
            },
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:outcomes",
            "awsRegion": "us-east-1",
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def emitted(lines: list[dict[str, Any]]) -> list[tuple[str, float, dict[str, str]]]:
    """Name, value and dimensions of the metrics among lines of output."""
    found = []
    for line in lines:
        if "_aws" in line:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            (metric,), (names,) = directive["Metrics"], directive["Dimensions"]
            assert directive["Namespace"] == "LlmTwin"
            value = line[metric["Name"]]
            found.append(
                (
                    metric["Name"],
                    *(value if isinstance(value, list) else [value]),
                    {n: line[n] for n in names},
                )
            )
    return found


def counted(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, float, dict[str, str]]]:
    """Name, value and dimensions of the metrics that were written since the last call."""
    return emitted([json.loads(line) for line in capsys.readouterr().out.splitlines()])
