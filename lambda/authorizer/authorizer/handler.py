"""REST API authorizer for `Authorization: Bearer <key>`.

It checks no key itself: it names the key as the caller's usage identifier, and API Gateway looks it up
among the API keys of the stage's usage plans, refuses unknown ones, and counts the others.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

_BEARER = re.compile(r"Bearer +([!-~]{1,128})", re.IGNORECASE)
"""API Gateway's keys are at most 128 characters."""


class UnauthorizedError(Exception):
    """API Gateway answers 401 when the error message is this very word."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Allow the caller to invoke the API under the key it presents. Raises `UnauthorizedError`."""
    match = _BEARER.fullmatch(event.get("authorizationToken") or "")
    if match is None:
        raise UnauthorizedError
    key = match[1]
    return {
        "principalId": hashlib.sha256(key.encode()).hexdigest()[:32],
        "usageIdentifierKey": key,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": _every_method(event["methodArn"]),
                }
            ],
        },
    }


def _every_method(method_arn: str) -> str:
    """`arn:…:api/stage/GET/v1/models` → `arn:…:api/stage/*/*`.

    API Gateway caches the answer for a key, whichever method it was first asked for.
    """
    api, stage, _ = method_arn.split("/", 2)
    return f"{api}/{stage}/*/*"
