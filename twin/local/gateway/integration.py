"""The Lambda proxy step of API requests: streamed where the method says so, else MiniStack's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from twin.local import ACCOUNT, REGION
from twin.local.emulator import Emulator
from twin.local.functions.spec import FunctionSpec
from twin.local.gateway.bearer import SERVICE
from twin.local.gateway.errors import CONFIGURATION, INTERNAL, TIMEOUT, TOO_LARGE, GatewayError
from twin.local.gateway.record import GatewayRecord, current
from twin.local.gateway.streaming import StreamedCall, StreamingIntegration, streamed_request
from twin.local.permissions.policy import Policies

MAX_EVENT_BYTES = 6_291_456
"""Largest payload of a synchronous invocation: the whole proxy event, its body in base64 if it is binary."""

_MOST_BYTES_PER_CHARACTER = 6
_EVENT_OPTIONS = ("binary_media_types", "authorizer_context", "caller_identity")


class ProxyIntegration:
    """Finds a method's function, checks that API Gateway may invoke it, and invokes it."""

    def __init__(self, emulator: Emulator, streaming: StreamingIntegration, policies: Policies) -> None:
        self._emulator = emulator
        self._streaming = streaming
        self._policies = policies
        self._buffered = emulator.api._invoke_lambda_proxy_v1
        self._shape = emulator.api._lambda_proxy_response
        self._event = emulator.api._build_lambda_event_v1
        emulator.api._invoke_lambda_proxy_v1 = self._invoke
        emulator.api._build_lambda_event_v1 = self._build_event
        emulator.api._lambda_proxy_response = self._proxy_response

    async def _invoke(self, integration: Mapping[str, Any], *arguments: Any, **options: Any) -> Any:
        record = current.get() or GatewayRecord("-", "-")
        try:
            function = self._function(integration, options)
            api_id, stage_name, _, resource, _, method = arguments[:6]
            source = f"{api_id}/{stage_name}/{method}{resource['path']}"
            self._require_permission(function, source)
            seconds = integration.get("timeoutInMillis", 29_000) / 1000
            if integration.get("responseTransferMode") != "STREAM":
                call = self._buffered(integration, *arguments, **options)
                return await _within(seconds, asyncio.ensure_future(call))
            return await self._stream(function, arguments, options, seconds, record)
        except GatewayError as failure:
            return failure.answer(self._emulator)

    async def _stream(
        self,
        function: Mapping[str, Any],
        arguments: tuple[Any, ...],
        options: Mapping[str, Any],
        seconds: float,
        record: GatewayRecord,
    ) -> Any:
        spec = FunctionSpec.from_record(function)
        passed = {name: options[name] for name in _EVENT_OPTIONS}
        event = self._build_event(*arguments, **passed)
        seconds = min(spec.timeout_seconds, seconds)
        request = streamed_request(event, arguments[6], spec, seconds)
        return await self._streaming.answer(StreamedCall(function, spec, request, seconds), record)

    def _build_event(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """MiniStack's proxy event, with the request's one id and its API key; GatewayError if too large."""
        event: dict[str, Any] = self._event(*arguments, **options)
        record = current.get()
        if record is not None:
            event["requestContext"].update(requestId=record.request_id, extendedRequestId=record.request_id)
        resource, method, headers = arguments[3], arguments[5], arguments[6]
        if _needs_key(resource, method) and (key := self._key(headers)) is not None:
            event["requestContext"]["identity"].update(apiKey=key["value"], apiKeyId=key["id"])
        if _size(event) > MAX_EVENT_BYTES:
            raise GatewayError(*TOO_LARGE)
        return event

    def _key(self, headers: Mapping[str, str]) -> Any:
        """The API key of the request, from its header or from the authorizer."""
        return self._emulator.api._resolve_api_key(self._emulator.api._api_key_from_request(headers))

    def _function(self, integration: Mapping[str, Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The function that an integration names, also in a streaming URI, which MiniStack does not read."""
        arn = str(integration.get("uri", "")).partition("/functions/")[2].partition("/")[0]
        functions = self._emulator.functions
        record, config, _ = functions._get_func_record_for_ref_in_scope(
            arn, account_id=options["owner_account_id"], region=options["owner_region"]
        )
        if record is None or config is None:
            raise GatewayError(*CONFIGURATION)
        found: Mapping[str, Any] = functions._execution_record_for_config(record, config)
        return found

    def _require_permission(self, function: Mapping[str, Any], source: str) -> None:
        source_arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{source}"
        policy, arn = function.get("policy"), function["config"]["FunctionArn"]
        if not self._policies.service_may_invoke(policy, SERVICE, arn, source_arn):
            raise GatewayError(*CONFIGURATION)

    def _proxy_response(self, result: Mapping[str, Any]) -> Any:
        """What a buffered function answered; an error, or an answer that is no object, becomes a 502."""
        body = result.get("body")
        if result.get("error") or not isinstance(body, dict):
            raise GatewayError(*INTERNAL)
        return self._shape(result)


def _needs_key(resource: Mapping[str, Any], method: str) -> bool:
    methods = resource.get("resourceMethods") or {}
    return bool((methods.get(method) or methods.get("ANY") or {}).get("apiKeyRequired"))


def _size(event: Mapping[str, Any]) -> int:
    """Bytes of an event as Lambda gets it; those of a small one are not counted."""
    if len(event["body"] or "") * _MOST_BYTES_PER_CHARACTER < MAX_EVENT_BYTES // 2:
        return 0
    return len(json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass"))


async def _within(seconds: float, call: asyncio.Future[Any]) -> Any:
    """A call's result; one that takes too long goes on unheard, as on AWS."""
    done, _ = await asyncio.wait({call}, timeout=seconds)
    if not done:
        raise GatewayError(*TIMEOUT)
    return call.result()
