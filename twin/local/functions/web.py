"""Functions that are web servers: what the Web Adapter layer does on AWS.

The adapter starts the handler script, waits until the readiness path answers, and forwards every invocation
as an HTTP request. Here one process of a function serves all of its requests at once.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from twin.local import HOST
from twin.local.functions import launcher
from twin.local.functions.process import Spawner
from twin.local.functions.runtime import Runtime
from twin.local.functions.sandbox import Sandbox
from twin.local.functions.worker import FunctionError

_INIT_SECONDS = 30.0
_DRAIN_SECONDS = 10.0
_HEALTHY = range(100, 500)


class WebProcess:
    """A function's web server. Construction returns when it answers its readiness path."""

    def __init__(self, sandbox: Sandbox, spawner: Spawner, runtime: Runtime) -> None:
        self.sandbox = sandbox
        self.port = _free_port()
        self._last_used = time.monotonic()
        self._active = 0
        self._changed = threading.Condition()
        script = sandbox.code / sandbox.spec.handler
        started = time.monotonic()
        self._process = spawner.start(
            [str(runtime.python), "-P", str(Path(launcher.__file__)), str(script)],
            title=sandbox.spec.name,
            environment={**sandbox.environment, "AWS_LWA_PORT": str(self.port), "PORT": str(self.port)},
            folder=sandbox.code,
            log=sandbox.log.path,
        )
        self._await_ready()
        self.init_seconds = time.monotonic() - started

    @property
    def usable(self) -> bool:
        """Whether the server still runs."""
        return self._process.exit_code is None

    def __enter__(self) -> WebProcess:
        """Count a request, so that a replaced server is ended only after its requests."""
        with self._changed:
            self._active += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Count the request's end."""
        with self._changed:
            self._active -= 1
            self._last_used = time.monotonic()
            self._changed.notify_all()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while one runs."""
        return 0.0 if self._active else time.monotonic() - self._last_used

    def end(self, drain_seconds: float = _DRAIN_SECONDS) -> None:
        """Wait for running requests up to `drain_seconds`, then end the server."""
        with self._changed:
            self._changed.wait_for(lambda: self._active == 0, drain_seconds)
        self._process.end()

    def _await_ready(self) -> None:
        path = self.sandbox.environment.get("AWS_LWA_READINESS_CHECK_PATH", "/")
        deadline = time.monotonic() + _INIT_SECONDS
        while not _answers(self.port, path):
            if not self.usable or time.monotonic() > deadline:
                code = self._process.exit_code
                what = (
                    f"did not answer {path} in time"
                    if code is None
                    else f"exited with status {code} while starting"
                )
                self._process.end(0)
                text = f"function {self.sandbox.spec.name} {what}: {self.sandbox.log.tail()}"
                raise FunctionError("Runtime.InitError", text)
            time.sleep(0.01)


class WebProcesses:
    """The current web server of each function; a changed function gets a new one, the old one drains."""

    def __init__(self) -> None:
        self._current: dict[str, WebProcess] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def running(self, arn: str, fingerprint: str) -> WebProcess | None:
        """The server, if it runs and belongs to this very configuration."""
        process = self._current.get(arn)
        matches = process is not None and process.sandbox.spec.fingerprint == fingerprint
        return process if matches and process is not None and process.usable else None

    def ensure(self, arn: str, fingerprint: str, start: Callable[[], WebProcess]) -> WebProcess:
        """The server for this configuration, started if needed; raises FunctionError if it does not start."""
        with self._lock:
            lock = self._locks.setdefault(arn, threading.Lock())
        with lock:
            process = self.running(arn, fingerprint)
            if process is None:
                process = start()
                replaced = self._current.get(arn)
                self._current[arn] = process
                if replaced is not None:
                    threading.Thread(target=replaced.end, name="drain", daemon=True).start()
            return process

    def retire(self, wanted: Callable[[WebProcess], bool]) -> None:
        """End the servers that are not wanted any more."""
        for arn, process in list(self._current.items()):
            if not wanted(process):
                del self._current[arn]
                process.end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in _HEALTHY
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
