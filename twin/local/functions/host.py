"""Runs functions: chooses and keeps their processes, and answers invocations."""

from __future__ import annotations

import http.client
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from twin.local.functions.process import Spawner
from twin.local.functions.proxy import exchange, request_from_event
from twin.local.functions.sandbox import MissingLayerError, SandboxFactory, archive_of
from twin.local.functions.spec import FunctionSpec
from twin.local.functions.web import WebProcess, WebProcesses
from twin.local.functions.worker import FunctionError, Worker, WorkerPool

_logger = logging.getLogger(__name__)

IDLE_SECONDS = {Worker: 60.0, WebProcess: 900.0}
"""An idle process is ended after this time. A worker starts again quickly, a web server takes a second."""

_SWEEP_SECONDS = 5.0


class FunctionHost:
    """All function processes of the local cloud."""

    def __init__(self, sandboxes: SandboxFactory, spawner: Spawner, *, workers: int | None = None) -> None:
        self._sandboxes = sandboxes
        self._spawner = spawner
        self._workers = WorkerPool(workers or max(2, os.cpu_count() or 2))
        self._web = WebProcesses()
        self._stopping = threading.Event()

    def invoke(self, record: Mapping[str, Any], event: Any, request_id: str, trace_id: str | None) -> Any:
        """Invoke a function with `event` and return its result; raises FunctionError."""
        spec = FunctionSpec.from_record(record)
        try:
            if spec.is_web:
                return self._invoke_web(spec, record, event, request_id)
            return self._invoke_handler(spec, record, event, request_id, trace_id)
        except (LookupError, MissingLayerError) as error:
            raise FunctionError("Runtime.InvalidEntrypoint", str(error)) from error

    def new_output(self, name: str) -> str:
        """What the function wrote since the last call."""
        return self._sandboxes.log(name).take_new()

    def running_web(self, spec: FunctionSpec) -> WebProcess | None:
        """The function's web server if it is up."""
        return self._web.running(spec.arn, spec.fingerprint)

    def start_web(self, spec: FunctionSpec, record: Mapping[str, Any]) -> WebProcess:
        """The function's web server, started if needed; blocks until ready; raises FunctionError."""
        return self._web.ensure(
            spec.arn,
            spec.fingerprint,
            lambda: WebProcess(self._sandbox(spec, record), self._spawner, self._sandboxes.runtime),
        )

    def keep(self, current: Callable[[], Mapping[str, str]]) -> None:
        """Start retiring processes of functions that changed or are gone, and idle ones.

        `current` gives the fingerprint of each function by its ARN.
        """
        threading.Thread(target=self._sweep, args=(current,), name="function-sweeper", daemon=True).start()

    def close(self) -> None:
        """End every process."""
        self._stopping.set()
        self._web.retire(lambda _: False)
        self._workers.retire(lambda _: False)

    def _invoke_handler(
        self, spec: FunctionSpec, record: Mapping[str, Any], event: Any, request_id: str, trace_id: str | None
    ) -> Any:
        worker = self._workers.lease(
            spec.fingerprint,
            lambda: Worker(self._sandbox(spec, record), self._spawner, self._sandboxes.runtime),
            spec.timeout_seconds,
        )
        try:
            return worker.invoke(event, request_id, trace_id)
        finally:
            self._workers.give_back(worker)

    def _invoke_web(self, spec: FunctionSpec, record: Mapping[str, Any], event: Any, request_id: str) -> Any:
        if not isinstance(event, dict) or "httpMethod" not in event:
            text = f"function {spec.name} is a web server; it takes API Gateway proxy events"
            raise FunctionError("Runtime.BadEvent", text)
        deadline = time.time() + spec.timeout_seconds
        with self.running_web(spec) or self.start_web(spec, record) as process:
            try:
                request = request_from_event(event, spec, request_id, deadline)
                return exchange(process.port, request, spec.timeout_seconds)
            except TimeoutError:
                text = f"{request_id} Task timed out after {spec.timeout_seconds:.2f} seconds"
                raise FunctionError("Sandbox.Timedout", text) from None
            except (OSError, http.client.HTTPException) as error:
                raise FunctionError("Runtime.ExitError", f"function {spec.name}: {error}") from error

    def _sandbox(self, spec: FunctionSpec, record: Mapping[str, Any]) -> Any:
        return self._sandboxes.prepare(spec, archive_of(record))

    def _sweep(self, current: Callable[[], Mapping[str, str]]) -> None:
        while not self._stopping.wait(_SWEEP_SECONDS):
            fingerprints = current()
            self._workers.retire(lambda worker: _wanted(worker, fingerprints))  # noqa: B023 - called at once
            self._web.retire(lambda process: _wanted(process, fingerprints))  # noqa: B023 - called at once


def _wanted(process: Worker | WebProcess, fingerprints: Mapping[str, str]) -> bool:
    spec = process.sandbox.spec
    current = fingerprints.get(spec.arn) == spec.fingerprint
    return process.usable and current and process.idle_seconds < IDLE_SECONDS[type(process)]
