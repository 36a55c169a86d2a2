"""The gateway in front of MiniStack's API Gateway, and the steps it replaces in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.local.emulator import Emulator
from twin.local.front import ASGIApp, Message, Receive, Scope, Send
from twin.local.functions.host import FunctionHost
from twin.local.functions.spec import FunctionSpec
from twin.local.gateway import bearer
from twin.local.gateway.access_log import render
from twin.local.gateway.errors import INTERNAL, TIMEOUT, TOO_LARGE, GatewayError
from twin.local.gateway.record import GatewayRecord, current
from twin.local.gateway.streaming import StreamedCall, StreamingIntegration, streamed_request
from twin.local.log_groups import LogGroups

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Largest request body that API Gateway takes."""


class Gateway:
    """Serves API requests through MiniStack, with our integration, keys, limits and access logs."""

    def __init__(self, emulator: Emulator, host: FunctionHost, logs: LogGroups) -> None:
        self._emulator = emulator
        self._streaming = StreamingIntegration(emulator, host)
        self._logs = logs
        self._proxy = emulator.api._invoke_lambda_proxy_v1
        self._execute = emulator.api._execute_in_scope
        self._render_error = emulator.api._gateway_error_response
        bearer.install(emulator)
        emulator.api._invoke_lambda_proxy_v1 = self._integrate
        emulator.api._execute_in_scope = self._handle
        emulator.api._gateway_error_response = self._error_response

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is a request to a deployed API."""
        return path.startswith("/restapis/") and path.split("/", 5)[4:5] == ["_user_request_"]

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one API request through `app`, which is MiniStack's."""
        client = scope.get("client") or ("127.0.0.1", 0)
        record = GatewayRecord(scope["method"], str(client[0]))
        token = current.set(record)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            record.response_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, counted)
        finally:
            current.reset(token)
            self._log(record)

    async def _handle(
        self,
        request: dict[str, Any],
        api_id: str,
        stage_name: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *rest: Any,
    ) -> Any:
        record = current.get()
        stage = (self._emulator.api._stages_v1.get(api_id) or {}).get(stage_name)
        if record is not None:
            record.api_id, record.stage_name, record.path = api_id, stage_name, path
            record.request_id = request["request_id"]
            record.account_id = self._emulator.responses.get_account_id()
            record.user_agent = headers.get("user-agent", "-")
            record.stage = stage or {}
        if stage is not None and len(body) > MAX_BODY_BYTES:
            request["stage"] = stage
            return self._failure(GatewayError(*TOO_LARGE))
        response = await self._execute(request, api_id, stage_name, method, path, headers, body, *rest)
        if record is not None:
            record.resource_path = request["resource_path"] or "-"
        return response

    async def _integrate(self, integration: Mapping[str, Any], *arguments: Any, **options: Any) -> Any:
        """The AWS_PROXY step: streamed where the method says so, else MiniStack's own."""
        if integration.get("responseTransferMode") != "STREAM":
            return await self._proxy(integration, *arguments, **options)
        record = current.get() or GatewayRecord("-", "-")
        headers, body = arguments[6], arguments[7]
        function = self._function(integration, options)
        if function is None:
            return self._failure(GatewayError("API_CONFIGURATION_ERROR", "Internal server error", None))
        spec = FunctionSpec.from_record(function)
        options = {
            key: options[key] for key in ("binary_media_types", "authorizer_context", "caller_identity")
        }
        event = self._emulator.api._build_lambda_event_v1(*arguments, **options)
        event["requestContext"]["requestId"] = record.request_id
        seconds = min(spec.timeout_seconds, integration.get("timeoutInMillis", 29_000) / 1000)
        request = streamed_request(event, headers, body, spec, seconds)
        try:
            return await self._streaming.answer(StreamedCall(function, spec, request, seconds), record)
        except GatewayError as failure:
            return self._failure(failure)

    def _function(
        self, integration: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        arn = str(integration.get("uri", "")).partition("/functions/")[2].partition("/")[0]
        functions = self._emulator.functions
        record, config, _ = functions._get_func_record_for_ref_in_scope(
            arn, account_id=options["owner_account_id"], region=options["owner_region"]
        )
        if record is None or config is None:
            return None
        found: Mapping[str, Any] = functions._execution_record_for_config(record, config)
        return found

    def _failure(self, failure: GatewayError) -> Any:
        error = self._emulator.api._gw_error(failure.response_type, failure.message)
        error.status = failure.status
        return error

    def _error_response(self, error: Any, request: Mapping[str, Any]) -> Any:
        record = current.get()
        if record is not None:
            record.error_type, record.error_message = error.response_type, error.message or "-"
        status, headers, body = self._render_error(error, request)
        return getattr(error, "status", None) or status, headers, body

    def _log(self, record: GatewayRecord) -> None:
        settings = record.stage.get("accessLogSettings") or {}
        destination, template = settings.get("destinationArn"), settings.get("format")
        if destination and template:
            group = str(destination).partition(":log-group:")[2].removesuffix(":*")
            self._logs.append(group, f"{record.api_id}-{record.stage_name}", [render(template, record)])


__all__ = ["INTERNAL", "TIMEOUT", "Gateway"]
