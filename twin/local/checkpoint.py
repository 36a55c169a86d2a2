"""Saves MiniStack's state after every finished stack operation, so that a crash later loses little."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import time

from twin.local.emulator import Emulator
from twin.local.layout import StateLayout
from twin.local.state import Manifest

_POLL_SECONDS = 0.5
_QUIET_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class Checkpointer:
    """Marks the state unsettled when a stack operation begins; saves and settles it when all have ended."""

    def __init__(self, emulator: Emulator, layout: StateLayout, port: int) -> None:
        self._emulator = emulator
        self._layout = layout
        self._manifest = Manifest.current(port)
        self._settled = True
        self._saved_events = 0
        self._last_request = 0.0
        self._watch: asyncio.Task[None] | None = None

    def restored(self) -> None:
        """MiniStack has read its state: what is there now is saved already."""
        self._saved_events = self._events()

    def touched(self) -> None:
        """A request for CloudFormation was answered; call from the event loop."""
        self._last_request = time.monotonic()
        if self.in_progress():
            self._mark(settled=False)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._settle())

    def in_progress(self) -> list[str]:
        """Names of the stacks that are being created, changed or deleted."""
        stacks = self._emulator.cloudformation._stacks
        return [
            stack["StackName"]
            for stack in list(stacks._data.values())
            if stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
        ]

    async def stop(self) -> None:
        """Leave a true manifest behind; MiniStack saves by itself when it shuts down."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._mark(settled=not self.in_progress())

    async def _settle(self) -> None:
        # Threads and callbacks of MiniStack change the stacks: there is no one place that could set an event.
        while self.in_progress() or time.monotonic() - self._last_request < _QUIET_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        events = self._events()
        if events != self._saved_events:
            started = time.monotonic()
            self._emulator.persistence.save_all(self._emulator.app._build_persistence_save_dict())
            self._saved_events = events
            _trim_memory()
            _logger.info("state saved in %.0f ms", (time.monotonic() - started) * 1000)
        self._mark(settled=True)

    def _events(self) -> int:
        stores = self._emulator.cloudformation._stack_events._data.values()
        return sum(len(events) for events in list(stores))

    def _mark(self, *, settled: bool) -> None:
        if settled != self._settled:
            self._manifest.with_settled(settled).write(self._layout.manifest_file)
            self._settled = settled


def _trim_memory() -> None:
    """Give the memory that uploads and deploys left unused back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
