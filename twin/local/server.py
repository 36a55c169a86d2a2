"""The local cloud's process: puts the parts together and serves them."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from twin.local import HOST
from twin.local.checkpoint import Checkpointer
from twin.local.emulator import load
from twin.local.front import Front
from twin.local.functions.host import FunctionHost
from twin.local.functions.install import install, layer_digest, used_packages
from twin.local.functions.process import Spawner
from twin.local.functions.sandbox import SandboxFactory
from twin.local.gateway.gateway import Gateway
from twin.local.lifecycle import LifecycleError, write_process_file
from twin.local.log_groups import LogGroups
from twin.local.options import CloudOptions
from twin.local.permissions.execution import ExecutionRoles
from twin.local.permissions.guard import Guard, enforced
from twin.local.permissions.keys import EncryptionKeys
from twin.local.permissions.policy import Policies
from twin.local.permissions.sessions import RoleSessions
from twin.local.permissions.transforms import TransformAccess
from twin.local.ports import describe_listener
from twin.local.processes import ProcessRegister
from twin.local.resources import register
from twin.local.services import ModelOptions, Services
from twin.local.services.asynchronous import Collaborators
from twin.local.services.emulator import publish_event
from twin.local.services.objects import EmulatedObjects
from twin.local.services.runtime import RuntimeOptions
from twin.local.services.topics import EmulatedAlarms, EmulatedTopics
from twin.local.state import prepare
from twin.local.step_functions import Workflows

_GRACE_SECONDS = 3
_TRANSFORM_LOGS = "/aws/sagemaker/TransformJobs"


class Cloud:
    """All parts of one local cloud."""

    def __init__(self, options: CloudOptions, notes: list[str]) -> None:
        layout = options.layout
        self._options = options
        self._notes = notes
        self.emulator = load(options)
        sessions = RoleSessions(self.emulator)
        policies = Policies(self.emulator)
        logs = LogGroups(self.emulator)
        execution = ExecutionRoles(policies)
        self.services = Services(
            layout.services,
            _model(options),
            runtime_options=RuntimeOptions(asynchronous_wake_seconds=options.asynchronous_wake_seconds),
            collaborators=Collaborators(
                EmulatedObjects(), EmulatedTopics(enforced), EmulatedAlarms(), execution.permits
            ),
            events=publish_event,
        )
        keys = execution.keys = EncryptionKeys(self.emulator, self.services.vectors)
        self.spawner = Spawner(ProcessRegister(layout.processes))
        sandboxes = SandboxFactory(
            layout,
            url=options.url,
            layers=lambda arn: layer_digest(self.emulator, arn),
            credentials=sessions.credentials,
        )
        sandboxes.runtime.prepare()
        self.packages = sandboxes.packages
        self.functions = FunctionHost(sandboxes, self.spawner)
        transforms = self.services.transforms
        transforms.access = TransformAccess(policies, keys)
        transforms.log = lambda job, lines: logs.append(_TRANSFORM_LOGS, f"{job}/data-log", lines)
        self.workflows = Workflows(self.emulator, policies, self.services.sagemaker, transforms)
        register(self.emulator, sandboxes.packages, policies, self.services.resource_handlers())
        install(self.emulator, self.functions, logs)
        gateway = Gateway(self.emulator, self.functions, policies, logs)
        self.checkpointer = Checkpointer(self.emulator, layout, options.port)
        self.front = Front(
            self.emulator.app.app,
            services=self.services,
            gateway=gateway,
            guard=Guard(self.emulator, sessions, policies, keys),
            events=self,
        )

    def status(self) -> dict[str, Any]:
        """What the health path answers."""
        return {"pid": os.getpid(), "port": self._options.port, "notes": self._notes}

    async def started(self) -> None:
        """MiniStack has restored its state."""
        self.checkpointer.restored()
        self.packages.sweep(used_packages(self.emulator))
        self.workflows.started()
        await self.services.startup()

    async def stopping(self) -> None:
        """Requests have ended; MiniStack saves its state next."""
        self.workflows.close()
        await self.checkpointer.stop()
        await self.services.shutdown()

    def stack_request(self) -> None:
        """CloudFormation answered a request."""
        self.checkpointer.touched()

    def close(self) -> None:
        """End the functions' processes."""
        self.functions.close()
        self.spawner.close()


def run(options: CloudOptions) -> None:
    """Serve until a signal; raises LifecycleError or StateError when it cannot begin."""
    layout = options.layout
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(options), _listener(options.port) as listener:
        reason = prepare(layout, options.port)
        notes = [] if reason is None else [f"The stored state was discarded: {reason}."]
        ProcessRegister(layout.processes).end_all()
        write_process_file(options)
        cloud = Cloud(options, notes)
        try:
            _serve(cloud, listener)
        finally:
            cloud.close()
            layout.process_file.unlink(missing_ok=True)


def _serve(cloud: Cloud, listener: socket.socket) -> None:
    config = uvicorn.Config(
        cloud.front,
        # MiniStack sends a date of its own, and two of them break the CDK command line.
        date_header=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _model(options: CloudOptions) -> ModelOptions:
    return ModelOptions.parse(
        options.model,
        time_to_first_token_ms=options.time_to_first_token_ms,
        inter_token_latency_ms=options.inter_token_latency_ms,
        api_key=os.environ.get("OPENAI_API_KEY"),
    )


@contextmanager
def _lock(options: CloudOptions) -> Iterator[None]:
    """Hold the state directory; raises LifecycleError while another cloud holds it."""
    layout = options.layout
    with layout.lock_file.open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            record = json.loads(layout.process_file.read_text(encoding="utf-8"))
            message = (
                f"a local cloud already uses {layout.root} (process {record['pid']}, "
                f"port {record['options']['port']}). Stop it with `make down`, or choose another --state"
            )
            raise LifecycleError(message) from None
        yield


@contextmanager
def _listener(port: int) -> Iterator[socket.socket]:
    """The one socket of the cloud, bound but not listening yet; raises LifecycleError for a busy port."""
    # With the protocol named, asyncio turns Nagle's algorithm off; else each answer waits 40 ms for an ACK.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            message = (
                f"port {port} on {HOST} is in use by {describe_listener(port)}. "
                f"Stop that process, or choose another port"
            )
            raise LifecycleError(message) from error
        yield listener
