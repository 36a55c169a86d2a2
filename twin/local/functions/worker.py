"""Processes that run a Python handler, reused while the function stays the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twin.local.functions import bootstrap
from twin.local.functions.channel import Channel, ChannelClosedError, ChannelTimeoutError
from twin.local.functions.process import Spawner
from twin.local.functions.runtime import Runtime
from twin.local.functions.sandbox import Sandbox

_INIT_SECONDS = 30.0


class FunctionError(Exception):
    """An invocation failed; `detail` is what AWS Lambda would answer (errorMessage, errorType, …)."""

    def __init__(self, error_type: str, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.detail = {"errorMessage": message, "errorType": error_type, **detail}


class Worker:
    """One warm process. Serves one invocation at a time."""

    def __init__(self, sandbox: Sandbox, spawner: Spawner, runtime: Runtime) -> None:
        self.sandbox = sandbox
        self._last_used = time.monotonic()
        self._channel = Channel()
        reader, writer = self._channel.child_descriptors
        self._process = spawner.start(
            [
                str(runtime.python),
                "-P",
                str(Path(bootstrap.__file__)),
                sandbox.spec.handler,
                str(reader),
                str(writer),
            ],
            title=sandbox.spec.name,
            environment=sandbox.environment,
            folder=sandbox.code,
            log=sandbox.log.path,
            descriptors=self._channel.child_descriptors,
        )
        self._channel.started()
        self._await_ready()

    def invoke(self, event: Any, request_id: str, trace_id: str | None) -> Any:
        """The handler's result; raises FunctionError. After an error not its own, the worker is gone."""
        spec = self.sandbox.spec
        message = {
            "event": event,
            "request_id": request_id,
            "deadline": time.time() + spec.timeout_seconds,
            "arn": spec.arn,
            "trace_id": trace_id,
        }
        try:
            self._channel.send(message)
            answer = self._channel.receive(spec.timeout_seconds)
        except ChannelTimeoutError:
            self.end(grace_seconds=0)
            text = f"{request_id} Task timed out after {spec.timeout_seconds:.2f} seconds"
            raise FunctionError("Sandbox.Timedout", text) from None
        except ChannelClosedError:
            self.end()
            text = f"RequestId: {request_id} Error: Runtime exited"
            raise FunctionError("Runtime.ExitError", text) from None
        self._last_used = time.monotonic()
        if "error" in answer:
            raise _handler_error(answer["error"])
        return answer.get("result")

    @property
    def usable(self) -> bool:
        """Whether the process can take another invocation."""
        return self._process.exit_code is None

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last answer."""
        return time.monotonic() - self._last_used

    def end(self, grace_seconds: float = 1.0) -> None:
        """End the process."""
        self._process.end(grace_seconds)
        self._channel.close()

    def _await_ready(self) -> None:
        try:
            answer = self._channel.receive(_INIT_SECONDS)
        except (ChannelTimeoutError, ChannelClosedError) as error:
            self.end(grace_seconds=0)
            name = self.sandbox.spec.name
            what = (
                "took too long to start"
                if isinstance(error, ChannelTimeoutError)
                else "exited while starting"
            )
            text = f"function {name} {what}: {self.sandbox.log.tail()}"
            raise FunctionError("Runtime.InitError", text) from None
        if "error" in answer:
            self.end(grace_seconds=0)
            raise _handler_error(answer["error"])


def _handler_error(detail: dict[str, Any]) -> FunctionError:
    rest = {key: value for key, value in detail.items() if key not in {"errorType", "errorMessage"}}
    return FunctionError(detail["errorType"], detail["errorMessage"], **rest)


class WorkerPool:
    """Workers by fingerprint: at most `limit` for each function, further invocations wait for a free one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._idle: dict[str, list[Worker]] = {}
        self._count: dict[str, int] = {}
        self._changed = threading.Condition()

    def lease(self, fingerprint: str, start: Callable[[], Worker], wait_seconds: float) -> Worker:
        """A free worker, or a new one; raises FunctionError when none becomes free in time."""
        with self._changed:
            free = self._changed.wait_for(
                lambda: self._idle.get(fingerprint) or self._count.get(fingerprint, 0) < self._limit,
                wait_seconds,
            )
            if not free:
                text = f"all {self._limit} processes of the function stayed busy for {wait_seconds:.0f} s"
                raise FunctionError("TooManyRequestsException", text)
            if self._idle.get(fingerprint):
                return self._idle[fingerprint].pop()
            self._count[fingerprint] = self._count.get(fingerprint, 0) + 1
        try:
            return start()
        except BaseException:  # a start that was interrupted gives its place back too
            self._forget(fingerprint)
            raise

    def give_back(self, worker: Worker) -> None:
        """Return a leased worker; one that has ended is forgotten."""
        fingerprint = worker.sandbox.spec.fingerprint
        if not worker.usable:
            self._forget(fingerprint)
            return
        with self._changed:
            self._idle.setdefault(fingerprint, []).append(worker)
            self._changed.notify()

    def retire(self, wanted: Callable[[Worker], bool]) -> None:
        """End the idle workers that are not wanted any more."""
        with self._changed:
            doomed = [worker for workers in self._idle.values() for worker in workers if not wanted(worker)]
            for worker in doomed:
                self._idle[worker.sandbox.spec.fingerprint].remove(worker)
        for worker in doomed:
            worker.end()
            self._forget(worker.sandbox.spec.fingerprint)

    def _forget(self, fingerprint: str) -> None:
        with self._changed:
            self._count[fingerprint] -= 1
            self._changed.notify()
