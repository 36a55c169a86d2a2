"""The gateway in front of MiniStack's API Gateway: one record, size limit and access log line per request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.local.emulator import Emulator
from twin.local.front import ASGIApp, Message, Receive, Scope, Send
from twin.local.functions.host import FunctionHost
from twin.local.gateway import bearer
from twin.local.gateway.access_log import render
from twin.local.gateway.errors import TOO_LARGE, GatewayError
from twin.local.gateway.integration import ProxyIntegration
from twin.local.gateway.record import GatewayRecord, current
from twin.local.gateway.streaming import StreamingIntegration
from twin.local.log_groups import LogGroups
from twin.local.permissions.policy import Policies

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Largest request body that API Gateway takes."""


class Gateway:
    """Serves API requests through MiniStack, whose functions it replaces where they fall short."""

    def __init__(
        self, emulator: Emulator, functions: FunctionHost, policies: Policies, logs: LogGroups
    ) -> None:
        self._emulator = emulator
        self._logs = logs
        self._execute = emulator.api._execute_in_scope
        self._render_error = emulator.api._gateway_error_response
        bearer.install(emulator, policies)
        ProxyIntegration(emulator, StreamingIntegration(emulator, functions), policies)
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
        """Between MiniStack's finding the API and its checks: note the request, refuse a body too large."""
        record = current.get() or GatewayRecord(method, "-")
        stage = (self._emulator.api._stages_v1.get(api_id) or {}).get(stage_name)
        record.api_id, record.stage_name, record.path, record.stage = api_id, stage_name, path, stage or {}
        record.request_id = request["request_id"]
        record.account_id = self._emulator.responses.get_account_id()
        record.user_agent = headers.get("user-agent", "-")
        if stage is not None and len(body) > MAX_BODY_BYTES:
            request["stage"] = stage
            return GatewayError(*TOO_LARGE).answer(self._emulator)
        response = await self._execute(request, api_id, stage_name, method, path, headers, body, *rest)
        record.resource_path = request["resource_path"] or "-"
        if isinstance(response, tuple):
            response[1].setdefault("x-amzn-requestid", record.request_id)
        return response

    def _error_response(self, error: Any, request: Mapping[str, Any]) -> Any:
        record = current.get()
        if record is not None:
            record.error_type, record.error_message = error.response_type, error.message or "-"
        status, headers, body = self._render_error(error, request)
        return getattr(error, "status", None) or status, headers, body

    def _log(self, record: GatewayRecord) -> None:
        key = self._emulator.api._resolve_api_key(record.usage_key)
        record.api_key_id = key["id"] if key else "-"
        settings = record.stage.get("accessLogSettings") or {}
        destination, template = settings.get("destinationArn"), settings.get("format")
        if destination and template:
            group = str(destination).partition(":log-group:")[2].removesuffix(":*")
            self._logs.append(group, f"{record.api_id}-{record.stage_name}", [render(template, record)])
