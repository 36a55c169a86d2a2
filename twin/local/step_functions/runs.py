"""Executions under way: how they are stopped, and what they wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any


class ExecutionStopped(BaseException):
    """Unwinds the threads of an execution that has ended from outside.

    No `except Exception` of MiniStack's, no Retry and no Catch may take it for a failed state.
    """


class Run:
    """One execution and its threads, which have it as `current`."""

    def __init__(self, execution: dict[str, Any], role_arn: str) -> None:
        self.execution = execution
        self.role_arn = role_arn
        self.abandoned = False
        self._stopped = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return str(self.execution["executionArn"])

    @property
    def stopped(self) -> bool:
        """Whether the execution has ended from outside."""
        return self._stopped.is_set()

    def stop(self, *, abandoned: bool = False) -> None:
        """Wake and end the threads; `abandoned`: because the local cloud ends, with nothing to be stopped."""
        with self._lock:
            self.abandoned = self.abandoned or abandoned
            self._stopped.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def when_stopped(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the execution is stopped: at once if it is."""
        with self._lock:
            if not self.stopped:
                self._callbacks.append(callback)
                return
        callback()

    def check(self) -> None:
        """Raise ExecutionStopped if the execution is stopped."""
        if self.stopped:
            raise ExecutionStopped

    def sleep(self, seconds: float) -> None:
        """Wait; raises ExecutionStopped as soon as the execution is stopped."""
        self._stopped.wait(seconds)
        self.check()


current: ContextVar[Run | None] = ContextVar("step_functions_run", default=None)
"""The execution that a thread works for."""
