"""Starting, stopping and finding the local cloud as a process in the background."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.local import DEFAULT_PORT, HOST
from twin.local.front import HEALTH_PATH
from twin.local.layout import StateLayout
from twin.local.options import CloudOptions
from twin.local.ports import becomes_free, describe_listener
from twin.local.processes import ProcessIdentity, ProcessRegister
from twin.local.services.models.options import ModelOptions, ModelOptionsError

if TYPE_CHECKING:
    from twin.settings import Environment

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_ANSWER_SECONDS = 5.0
_PORT_SECONDS = 1.0
_LOG_LINES = 12


class LifecycleError(Exception):
    """The local cloud cannot be started or reached; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running local cloud. `notes` are things worth telling, such as that old state was discarded."""

    pid: int
    port: int
    url: str
    log: Path
    notes: tuple[str, ...] = ()


def options_for(
    environment: Environment, state_dir: Path, port: int = DEFAULT_PORT, model: str | None = None
) -> CloudOptions:
    """Options from an environment file's `local` section; `model` overrides the one it names."""
    local = environment.local
    if local is None:
        message = f"environment {environment.name} has no section 'local'; only local.yaml has"
        raise LifecycleError(message)
    chosen = model or local.model
    try:
        ModelOptions.parse(chosen)
    except ModelOptionsError as error:
        raise LifecycleError(str(error)) from error
    return CloudOptions(
        state_dir,
        port,
        chosen,
        local.time_to_first_token_ms,
        local.inter_token_latency_ms,
        local.asynchronous_wake_seconds,
    )


def start(options: CloudOptions) -> Cloud:
    """Start the cloud and wait until it answers; one that runs with the same options is used as it is."""
    layout = options.layout
    record = _running(layout)
    if record is not None and record["options"] != describe(options):
        stop(options.state_dir)
    elif record is not None and (running := _answering(layout, record)):
        return replace(running, notes=())  # told by the `start` that began it
    if not becomes_free(options.port, _PORT_SECONDS):
        message = (
            f"port {options.port} on {HOST} is in use by {describe_listener(options.port)}. "
            f"Stop that process, or choose another port, as in `make up PORT={options.port + 1}`"
        )
        raise LifecycleError(message)
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if layout.log_file.exists():
        layout.log_file.replace(layout.log_file.with_suffix(".log.1"))
    with layout.log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "twin.local", *arguments(options)],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return _await_start(process, options)


def stop(state_dir: Path) -> bool:
    """Stop the cloud of a state directory and all of its function processes; whether one was running."""
    layout = StateLayout(state_dir.resolve())
    record = _running(layout)
    if record is not None:
        _identity(record).end(_STOP_SECONDS)
    if layout.processes.is_dir():
        ProcessRegister(layout.processes).end_all()
    layout.process_file.unlink(missing_ok=True)
    return record is not None


def status(state_dir: Path) -> Cloud | None:
    """The running cloud of a state directory, or None; raises LifecycleError for one that does not answer."""
    layout = StateLayout(state_dir.resolve())
    record = _running(layout)
    return None if record is None else _answering(layout, record)


def describe(options: CloudOptions) -> dict[str, Any]:
    """The options in the form of the process file; equal descriptions make equal clouds."""
    return {
        "port": options.port,
        "model": options.model,
        "time_to_first_token_ms": options.time_to_first_token_ms,
        "inter_token_latency_ms": options.inter_token_latency_ms,
        "asynchronous_wake_seconds": options.asynchronous_wake_seconds,
    }


def arguments(options: CloudOptions) -> list[str]:
    """The command line of `python -m twin.local` for these options."""
    return [
        f"--port={options.port}",
        f"--state={options.layout.root}",
        f"--model={options.model}",
        f"--ttft-ms={options.time_to_first_token_ms}",
        f"--itl-ms={options.inter_token_latency_ms}",
        f"--wake-seconds={options.asynchronous_wake_seconds}",
    ]


def write_process_file(options: CloudOptions) -> None:
    """Record this process as the cloud of the state directory."""
    identity = ProcessIdentity.of(os.getpid(), "twin.local")
    started = 0 if identity is None else identity.started
    record = {"pid": os.getpid(), "started": started, "options": describe(options)}
    options.layout.process_file.write_text(json.dumps(record) + "\n", encoding="utf-8")


def _running(layout: StateLayout) -> dict[str, Any] | None:
    """The process file's content if that very process still runs."""
    try:
        record: dict[str, Any] = json.loads(layout.process_file.read_text(encoding="utf-8"))
        return record if _identity(record).alive else None
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _identity(record: dict[str, Any]) -> ProcessIdentity:
    return ProcessIdentity(record["pid"], record["started"], "twin.local")


def _answering(layout: StateLayout, record: dict[str, Any]) -> Cloud | None:
    """The cloud once it answers; None when its process ends first; raises LifecycleError for a silent one."""
    pid, port = record["pid"], record["options"]["port"]
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        health = _health(port)
        if health is not None and health.get("pid") == pid:
            return _cloud(layout, health)
        if not _identity(record).alive:
            return None
        time.sleep(0.1)
    message = (
        f"the local cloud (process {pid}) runs but does not answer on port {port}. "
        f"Its log: {layout.log_file}. Stop it with `make down`"
    )
    raise LifecycleError(message)


def _await_start(process: subprocess.Popen[bytes], options: CloudOptions) -> Cloud:
    layout = options.layout
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        health = _health(options.port)
        if health is not None and health.get("pid") == process.pid:
            return _cloud(layout, health)
        if process.poll() is not None:
            message = (
                f"the local cloud stopped while it was starting (exit status {process.returncode}). "
                f"Its log: {layout.log_file}\n{_log_tail(layout)}"
            )
            raise LifecycleError(message)
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    message = (
        f"the local cloud did not answer on port {options.port} within {_START_SECONDS:.0f} s and was ended. "
        f"Its log: {layout.log_file}\n{_log_tail(layout)}"
    )
    raise LifecycleError(message)


def _cloud(layout: StateLayout, health: dict[str, Any]) -> Cloud:
    port = int(health["port"])
    return Cloud(int(health["pid"]), port, f"http://{HOST}:{port}", layout.log_file, tuple(health["notes"]))


def _health(port: int) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", HEALTH_PATH)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    else:
        return answer
    finally:
        connection.close()


def _log_tail(layout: StateLayout) -> str:
    lines = layout.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
