"""The cloud's end of the two pipes to a function's process; `bootstrap` has the other."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

from twin.local.functions.bootstrap import LENGTH, write_message


class ChannelClosedError(Exception):
    """The function's process ended."""


class ChannelTimeoutError(Exception):
    """No message came in time."""


class Channel:
    """Two pipes: `child_descriptors` are inherited by the process, the others stay here."""

    def __init__(self) -> None:
        child_reader, self._writer = os.pipe()
        self._reader, child_writer = os.pipe()
        self.child_descriptors = (child_reader, child_writer)

    def started(self) -> None:
        """Close the child's ends in this process, so that its death closes the channel."""
        for descriptor in self.child_descriptors:
            os.close(descriptor)

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; raises ChannelClosedError when nobody can read it any more."""
        try:
            write_message(self._writer, message)
        except BrokenPipeError as error:
            raise ChannelClosedError from error

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next message; raises ChannelTimeoutError or ChannelClosedError."""
        deadline = time.monotonic() + seconds
        size = LENGTH.unpack(self._read(LENGTH.size, deadline))[0]
        return dict(json.loads(self._read(size, deadline)))

    def _read(self, size: int, deadline: float) -> bytes:
        parts = []
        poll = select.poll()
        poll.register(self._reader, select.POLLIN | select.POLLHUP)
        while size:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise ChannelTimeoutError
            part = os.read(self._reader, min(size, 1 << 20))
            if not part:
                raise ChannelClosedError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close this side; the process then ends by itself."""
        os.close(self._reader)
        os.close(self._writer)
