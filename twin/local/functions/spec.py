"""What the local cloud needs to know of a function, read from MiniStack's record of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

WEB_ADAPTER_WRAPPER = "/opt/bootstrap"
WEB_ADAPTER_LAYER = ":753240598075:layer:LambdaAdapterLayer"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function's configuration; equal configurations have equal fingerprints."""

    name: str
    arn: str
    version: str
    handler: str
    runtime: str
    role_arn: str
    memory_mb: int
    timeout_seconds: float
    code_sha256: str
    log_group: str
    layer_arns: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that a running process cannot change: a new one needs a new process."""
        parts = (
            self.arn,
            self.version,
            self.handler,
            self.runtime,
            self.role_arn,
            self.memory_mb,
            self.timeout_seconds,
            self.code_sha256,
            self.layer_arns,
            sorted(self.environment.items()),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def log_stream(self, day: date) -> str:
        """Name of the log stream that the function's processes of a day write to."""
        return f"{day:%Y/%m/%d}/[{self.version}]{self.fingerprint[:32]}"

    @property
    def is_web(self) -> bool:
        """Whether the Web Adapter layer starts the function as a web server."""
        return self.environment.get("AWS_LAMBDA_EXEC_WRAPPER") == WEB_ADAPTER_WRAPPER and any(
            WEB_ADAPTER_LAYER in arn for arn in self.layer_arns
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> FunctionSpec:
        """Read MiniStack's function record (`config`, `code_zip`, `code_s3_bucket`, …)."""
        config: Mapping[str, Any] = record.get("config") or record
        layers = config.get("Layers") or []
        version = config.get("Version", "$LATEST")
        arn = ":".join(config["FunctionArn"].split(":")[:7])
        return cls(
            name=config["FunctionName"],
            arn=arn if version == "$LATEST" else f"{arn}:{version}",
            version=version,
            handler=config["Handler"],
            runtime=config["Runtime"],
            role_arn=config.get("Role", ""),
            memory_mb=int(config.get("MemorySize", 128)),
            timeout_seconds=float(config.get("Timeout", 3)),
            code_sha256=config.get("CodeSha256", ""),
            log_group=(config.get("LoggingConfig") or {}).get("LogGroup")
            or f"/aws/lambda/{config['FunctionName']}",
            layer_arns=tuple(layer if isinstance(layer, str) else layer["Arn"] for layer in layers),
            environment=dict((config.get("Environment") or {}).get("Variables") or {}),
        )
