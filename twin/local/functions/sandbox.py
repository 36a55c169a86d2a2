"""What a function's process starts with: unpacked code and layers, environment, credentials, log file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twin.local import REGION
from twin.local.functions.logs import FunctionLog
from twin.local.functions.packages import PackageStore
from twin.local.functions.runtime import Runtime, base_environment, function_environment, python_path
from twin.local.functions.spec import WEB_ADAPTER_LAYER, FunctionSpec
from twin.local.layout import StateLayout

LayerDigest = Callable[[str], str | None]
"""From a layer version's ARN to its archive's SHA-256 (hexadecimal); None for an unknown one."""

Credentials = Callable[[FunctionSpec], Mapping[str, str]]
"""The AWS_* credentials that identify a function's role."""


class MissingLayerError(Exception):
    """A function names a layer version that the local cloud does not hold."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One function, ready to be started."""

    spec: FunctionSpec
    code: Path
    environment: dict[str, str]
    log: FunctionLog


class SandboxFactory:
    """Prepares sandboxes; unpacks each archive once."""

    def __init__(
        self, layout: StateLayout, *, url: str, layers: LayerDigest, credentials: Credentials
    ) -> None:
        self._layout = layout
        self._url = url
        self._layers = layers
        self._credentials = credentials
        self.runtime = Runtime(layout.runtime)
        self.packages = PackageStore(layout.packages)
        self._logs: dict[str, FunctionLog] = {}
        self._lock = threading.Lock()

    def prepare(self, spec: FunctionSpec, archive: bytes) -> Sandbox:
        """Unpack what is needed and put the environment together."""
        code = self.packages.unpack(archive)
        layers = [self._layer(arn) for arn in spec.layer_arns if WEB_ADAPTER_LAYER not in arn]
        scratch = self._layout.scratch / spec.name
        scratch.mkdir(parents=True, exist_ok=True)
        environment = {
            **base_environment(self.runtime, scratch),
            "AWS_ENDPOINT_URL": self._url,
            **spec.environment,
            **function_environment(spec, REGION, spec.log_stream(datetime.now(UTC).date())),
            "LAMBDA_TASK_ROOT": str(code),
            "PYTHONPATH": python_path(code, layers),
            **self._credentials(spec),
        }
        return Sandbox(spec, code, environment, self.log(spec.name))

    def log(self, name: str) -> FunctionLog:
        """The log of the function of that name."""
        with self._lock:
            if name not in self._logs:
                self._logs[name] = FunctionLog(self._layout.logs / f"{name}.log")
            return self._logs[name]

    def _layer(self, arn: str) -> Path:
        digest = self._layers(arn)
        folder = self.packages.find(digest) if digest else None
        if folder is None:
            message = f"layer {arn} is not in the local cloud; deploy the stack that publishes it"
            raise MissingLayerError(message)
        return folder


def archive_of(record: Mapping[str, Any]) -> bytes:
    """The function's code as MiniStack holds it; raises LookupError when it holds none."""
    archive = record.get("code_zip")
    if not archive:
        name = (record.get("config") or record).get("FunctionName")
        message = f"function {name} has no code in the local cloud"
        raise LookupError(message)
    return bytes(archive)
