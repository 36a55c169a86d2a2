"""Where the model's bytes are cut into `PayloadPart` events: on AWS, anywhere.

- `whole`: an event for each chunk the model server flushes;
- `cut` (default): each chunk in two events, cut inside a multi-byte character where there is one;
- `carry`: as `cut`, but the second half travels with the next chunk, so that events straddle chunks;
- `bytes:<n>`: events of at most n bytes.

The same bytes are always cut at the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32


class PayloadSplitError(ValueError):
    """A way of splitting that does not exist."""


class PayloadSplitter:
    """Cuts one response."""

    def __init__(self, mode: str) -> None:
        self._cut = _cutter(mode)
        self._carries = mode == "carry"
        self._held = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The parts that are sent now."""
        data = self._held + chunk
        self._held = b""
        parts = self._cut(data) if data else []
        if self._carries and len(parts) > 1:
            self._held = parts.pop()
        return parts

    def rest(self) -> list[bytes]:
        """What is left when the model is done."""
        held, self._held = self._held, b""
        return [held] if held else []


def check_mode(mode: str) -> str:
    """`mode` itself; `PayloadSplitError` when there is no such mode."""
    _cutter(mode)
    return mode


def _cutter(mode: str) -> Callable[[bytes], list[bytes]]:
    if mode == "whole":
        return lambda data: [data]
    if mode in ("cut", "carry"):
        return _halves
    size = mode.removeprefix("bytes:")
    if mode.startswith("bytes:") and size.isdecimal() and int(size) > 0:
        step = int(size)
        return lambda data: [data[start : start + step] for start in range(0, len(data), step)]
    raise PayloadSplitError(f"payload split is {mode!r}: expected whole, cut, carry or bytes:<n>")


def _halves(data: bytes) -> list[bytes]:
    """Two parts, cut before a UTF-8 continuation byte if `data` has one."""
    if len(data) < 2:
        return [data]
    inside = [position for position in range(1, len(data)) if data[position] & 0xC0 == 0x80]
    number = crc32(data)
    position = inside[number % len(inside)] if inside else 1 + number % (len(data) - 1)
    return [data[:position], data[position:]]
