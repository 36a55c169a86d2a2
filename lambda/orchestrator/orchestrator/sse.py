"""Server-sent events: parsing a byte stream that is cut anywhere, and writing events.

Lines end with LF, CR LF or CR, as the standard says; an event that no blank line ends is not complete
and is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE = "[DONE]"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SseParser:
    """Turns chunks of bytes into the `data` of each event; how the bytes are cut makes no difference."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._data: list[str] = []
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the data of every event that `chunk` completes."""
        self._buffer += chunk
        for line in self._lines():
            if not line:
                if self._data:
                    yield "\n".join(self._data)
                    self._data.clear()
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" ").decode("utf-8", errors="replace"))

    def _lines(self) -> Iterator[bytes]:
        """Take the finished lines out of the buffer.

        A CR at the buffer's end stays there, since the LF that belongs to it may follow.
        """
        if self._at_start:
            if _BYTE_ORDER_MARK.startswith(self._buffer[:3]) and len(self._buffer) < 3:
                return
            self._at_start = False
            if self._buffer.startswith(_BYTE_ORDER_MARK):
                del self._buffer[:3]
        end = len(self._buffer) - self._buffer.endswith(b"\r")
        lines = bytes(self._buffer[:end]).splitlines(keepends=True)
        if lines and not lines[-1].endswith((b"\n", b"\r")):
            end -= len(lines.pop())
        del self._buffer[:end]
        for line in lines:
            yield line.rstrip(b"\r\n")


def event(data: dict[str, Any], name: str | None = None) -> bytes:
    """One event with `data` as JSON on a single line."""
    field = f"event: {name}\n".encode() if name else b""
    return field + b"data: " + to_json(data) + b"\n\n"


DONE_EVENT = f"data: {DONE}\n\n".encode()
