"""Hands MiniStack's invocations to the function host, and tells the host what functions exist."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from twin.local.emulator import Emulator
from twin.local.functions.host import FunctionHost
from twin.local.functions.spec import FunctionSpec
from twin.local.functions.worker import FunctionError
from twin.local.log_groups import LogGroups


def install(emulator: Emulator, host: FunctionHost, logs: LogGroups) -> None:
    """Replace MiniStack's own executor of Python functions by `host`, and its log writer by `logs`."""

    def execute(record: Mapping[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        config = record.get("config") or record
        trace_id = emulator.functions._xray_trace_id_for_invocation(config)
        try:
            answer: dict[str, Any] = {"body": host.invoke(record, event, request_id, trace_id)}
        except FunctionError as error:
            answer = {"body": error.detail, "error": True}
            _fail_custom_resource(emulator, event, error)
        return {**answer, "log": host.new_output(config["FunctionName"])}

    def emit(
        record: Mapping[str, Any], request_id: str, text: str, error: bool, duration_ms: int, **_: Any
    ) -> None:
        del error  # the function's own output tells
        spec = FunctionSpec.from_record(record)
        stream = spec.log_stream(datetime.now(UTC).date())
        logs.append(spec.log_group, stream, _invocation_lines(spec, request_id, text, duration_ms))

    emulator.functions._execute_function_warm = execute
    emulator.functions._emit_lambda_logs = emit
    host.keep(lambda: fingerprints(emulator))


def _invocation_lines(spec: FunctionSpec, request_id: str, text: str, duration_ms: int) -> list[str]:
    """A function's output between the lines that AWS Lambda puts around it."""
    return [
        f"START RequestId: {request_id} Version: {spec.version}",
        *text.splitlines(),
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\tMemory Size: {spec.memory_mb} MB",
    ]


def _fail_custom_resource(emulator: Emulator, event: Any, error: FunctionError) -> None:
    """Tell CloudFormation that a custom resource's function broke; it would wait an hour for an answer."""
    address = event.get("ResponseURL") if isinstance(event, dict) else None
    if address:
        reason = f"{error.detail['errorType']}: {error.detail['errorMessage']}"
        token = str(address).rpartition("/")[2]
        emulator.custom_resources.deliver_response(token, {"Status": "FAILED", "Reason": reason})


def fingerprints(emulator: Emulator) -> dict[str, str]:
    """The fingerprint of every function and published version by its ARN."""
    found: dict[str, str] = {}
    for record in list(emulator.functions._functions._data.values()):
        for version in (record, *record.get("versions", {}).values()):
            if (version.get("config") or {}).get("PackageType") != "Image":
                spec = FunctionSpec.from_record(version)
                found[spec.arn] = spec.fingerprint
    return found


def used_packages(emulator: Emulator) -> set[str]:
    """SHA-256 (hexadecimal) of every archive that a function, a published version or a layer consists of."""
    used: set[str] = set()
    for record in list(emulator.functions._functions._data.values()):
        for version in (record, *record.get("versions", {}).values()):
            used.add(digest_of((version.get("config") or {}).get("CodeSha256", "")))
    for layer in list(emulator.functions._layers._data.values()):
        used |= {digest_of(version["Content"]["CodeSha256"]) for version in layer["versions"]}
    return used


def layer_digest(emulator: Emulator, arn: str) -> str | None:
    """SHA-256 (hexadecimal) of a layer version's archive; None when there is no such version."""
    name, _, number = arn.partition(":layer:")[2].partition(":")
    layer = emulator.functions._layers.get(name)
    versions = layer["versions"] if layer else []
    for version in versions:
        if str(version["Version"]) == number:
            return digest_of(version["Content"]["CodeSha256"])
    return None


def digest_of(code_sha256: str) -> str:
    """Hexadecimal form of a `CodeSha256`, which AWS writes in base64."""
    return base64.b64decode(code_sha256).hex()
