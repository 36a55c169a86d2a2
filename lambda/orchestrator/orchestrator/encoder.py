"""The encoder, loaded in the background and run beside the event loop: a start need not wait for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Encodes(Protocol):
    """The part of the retrieval layer's encoder that is used here."""

    def encode(self, texts: Sequence[str]) -> Any:
        """Return an array of shape (len(texts), 384), each row of length 1."""
        ...


class EncoderUnavailableError(Exception):
    """The encoder could not be loaded; the cause says why."""


class BackgroundEncoder:
    """Loads on `start` or at first use, in a thread of its own, and encodes there, one text at a time."""

    def __init__(self, load: Callable[[], Encodes]) -> None:
        self._load = load
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self._loading: Future[Encodes] | None = None

    def start(self) -> None:
        """Begin to load. After a load that failed, begin again."""
        if self._loading is None or self.failed:
            self._loading = self._thread.submit(self._load)

    @property
    def failed(self) -> bool:
        """Whether the last load failed."""
        return self._loading is not None and self._loading.done() and self._loading.exception() is not None

    async def encode(self, text: str) -> list[float]:
        """Return the text's vector. Raises `EncoderUnavailableError`."""
        self.start()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, text)

    def _encode(self, text: str) -> list[float]:
        """Runs after the load, which was submitted to the same single thread."""
        assert self._loading is not None  # noqa: S101 - `encode` has started it
        if failure := self._loading.exception():
            raise EncoderUnavailableError from failure
        vector: list[float] = self._loading.result().encode([text])[0].tolist()
        return vector

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
