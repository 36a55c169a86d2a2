"""The local cloud's process: puts the parts together and serves them."""

from __future__ import annotations

import os
from typing import Any

import uvicorn

from twin.local import HOST
from twin.local.emulator import Emulator, load
from twin.local.front import ASGIApp, Front, Receive, Scope, Send
from twin.local.functions.host import FunctionHost
from twin.local.functions.install import install, layer_archive
from twin.local.functions.process import Spawner
from twin.local.functions.sandbox import SandboxFactory
from twin.local.options import CloudOptions
from twin.local.processes import ProcessRegister


class NoServices:
    def route(self, service: str, path: str, target: str | None) -> ASGIApp | None:
        return None


def run(options: CloudOptions) -> None:
    """Serve until a signal."""
    layout = options.layout
    layout.prepare()
    emulator = load(options)
    register = ProcessRegister(layout.processes)
    register.end_all()
    spawner = Spawner(register)
    sandboxes = SandboxFactory(
        layout,
        url=options.url,
        layers=lambda arn: layer_archive(emulator, arn),
        credentials=lambda spec: {"AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "test"},
    )
    sandboxes.runtime.prepare()
    host = FunctionHost(sandboxes, spawner)
    install(emulator, host)
    front = Front(emulator.app.app, NoServices(), lambda: {"pid": os.getpid()})
    try:
        uvicorn.run(
            front,
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
        host.close()
        spawner.close()
