"""The local cloud's process: puts the parts together and serves them."""

from __future__ import annotations

import os
from typing import Any

import uvicorn

from twin.local import HOST
from twin.local.emulator import load
from twin.local.front import Front
from twin.local.functions.host import FunctionHost
from twin.local.functions.install import install, layer_digest
from twin.local.functions.process import Spawner
from twin.local.functions.sandbox import SandboxFactory
from twin.local.functions.spec import FunctionSpec
from twin.local.gateway.gateway import Gateway
from twin.local.log_groups import LogGroups
from twin.local.options import CloudOptions
from twin.local.processes import ProcessRegister
from twin.local.resources import register
from twin.local.services import ModelOptions, Services


class Cloud:
    """All parts of one local cloud."""

    def __init__(self, options: CloudOptions) -> None:
        layout = options.layout
        layout.prepare()
        processes = ProcessRegister(layout.processes)
        processes.end_all()
        self.options = options
        self.emulator = load(options)
        self.services = Services(
            layout.services,
            ModelOptions.parse(
                options.model,
                time_to_first_token_ms=options.time_to_first_token_ms,
                inter_token_latency_ms=options.inter_token_latency_ms,
                api_key=os.environ.get("OPENAI_API_KEY"),
            ),
        )
        self.spawner = Spawner(processes)
        sandboxes = SandboxFactory(
            layout,
            url=options.url,
            layers=lambda arn: layer_digest(self.emulator, arn),
            credentials=self._credentials,
        )
        sandboxes.runtime.prepare()
        self.functions = FunctionHost(sandboxes, self.spawner)
        register(self.emulator, sandboxes.packages, self.services.resource_handlers())
        install(self.emulator, self.functions)
        gateway = Gateway(self.emulator, self.functions, LogGroups(self.emulator))
        self.front = Front(self.emulator.app.app, self.services, gateway, self.status)

    def status(self) -> dict[str, Any]:
        """What the health path answers."""
        return {"pid": os.getpid(), "port": self.options.port}

    def _credentials(self, spec: FunctionSpec) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "test"}

    def close(self) -> None:
        """End the functions' processes."""
        self.functions.close()
        self.spawner.close()


def run(options: CloudOptions) -> None:
    """Serve until a signal."""
    cloud = Cloud(options)
    try:
        uvicorn.run(
            cloud.front,
            host=HOST,
            port=options.port,
            date_header=False,
            server_header=False,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=3,
            lifespan="on",
        )
    finally:
        cloud.close()
