"""A token authorizer that counts its invocations in the context that it returns."""

from __future__ import annotations

from typing import Any

INVOCATIONS: list[str] = []


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    scheme, _, token = event["authorizationToken"].partition(" ")
    if scheme != "Bearer" or token == "refused":
        raise Exception("Unauthorized")
    INVOCATIONS.append(token)
    stage = "/".join(event["methodArn"].split("/")[:2])
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{stage}/*"}
    return {
        "principalId": "client",
        "usageIdentifierKey": token,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"invocations": len(INVOCATIONS)},
    }
