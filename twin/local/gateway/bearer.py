"""API keys that a Lambda authorizer supplies (`apiKeySourceType: AUTHORIZER`).

The authorizer answers with `usageIdentifierKey`, and API Gateway checks that key against the usage plans, as
if the client had sent it in `x-api-key`. That header itself does not count then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twin.local.emulator import Emulator
from twin.local.gateway.record import current
from twin.local.permissions.policy import Policies

SERVICE = "apigateway.amazonaws.com"
_CARRIER = "twin.local/usageIdentifierKey"


def install(emulator: Emulator, policies: Policies) -> None:
    """Make MiniStack's key checks read the authorizer's key."""
    api = emulator.api
    invoke, authorize, header_key = (
        api._invoke_authorizer_lambda,
        api._authorize_request_v1,
        api._api_key_from_request,
    )

    async def invoke_authorizer(authorizer: Mapping[str, Any], event: Any, *scope: Any) -> Any:
        if not _may_invoke(emulator, policies, authorizer, event["methodArn"]):
            return None
        return carry_key(await invoke(authorizer, event, *scope))

    async def authorize_request(api_id: str, *arguments: Any) -> Any:
        error, context = await authorize(api_id, *arguments)
        key, visible = take_key(context)
        record = current.get()
        if record is not None:
            record.authorizer = visible or {}
            record.usage_key = key
        return error, visible

    def api_key(headers: Mapping[str, str]) -> Any:
        record = current.get()
        if record is None or _key_source(emulator, record.api_id) != "AUTHORIZER":
            return header_key(headers)
        return record.usage_key or ""

    api._invoke_authorizer_lambda = invoke_authorizer
    api._authorize_request_v1 = authorize_request
    api._api_key_from_request = api_key


def _may_invoke(
    emulator: Emulator, policies: Policies, authorizer: Mapping[str, Any], method_arn: str
) -> bool:
    """Whether the authorizer's function lets API Gateway invoke it."""
    arn = str(authorizer.get("authorizerUri", "")).partition("/functions/")[2].partition("/")[0]
    found = emulator.functions.function_policy_for_arn(arn)
    source = f"{method_arn.partition('/')[0]}/authorizers/{authorizer['id']}"
    return found is not None and policies.service_may_invoke(found[0], SERVICE, arn, source)


def _key_source(emulator: Emulator, api_id: str) -> str:
    return str((emulator.api._rest_apis.get(api_id) or {}).get("apiKeySource", "HEADER"))


def carry_key(result: Any) -> Any:
    """Put `usageIdentifierKey` into the authorizer's context, which MiniStack caches with the policy."""
    body = result.get("body") if isinstance(result, dict) else None
    if isinstance(body, str | bytes):
        try:
            body = json.loads(body)
        except ValueError:
            return result
    if result.get("error") if isinstance(result, dict) else True:
        return result
    if not isinstance(body, dict) or not body.get("usageIdentifierKey"):
        return result
    context = {**(body.get("context") or {}), _CARRIER: str(body["usageIdentifierKey"])}
    return {**result, "body": {**body, "context": context}}


def take_key(context: Mapping[str, Any] | None) -> tuple[str | None, Mapping[str, Any] | None]:
    """The key, and the context without it, which is what the integration sees."""
    if context is None or _CARRIER not in context:
        return None, context
    return str(context[_CARRIER]), {name: value for name, value in context.items() if name != _CARRIER}
