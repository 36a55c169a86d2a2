"""How the command line speaks: one line a step, with its duration; errors on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOLD, _DIM, _RED, _GREEN, _RESET = "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m"


def _styled(text: str, style: str, *, error: bool = False) -> str:
    stream = sys.stderr if error else sys.stdout
    return f"{style}{text}{_RESET}" if stream.isatty() else text


def bold(text: str) -> str:
    return _styled(text, _BOLD)


def dim(text: str) -> str:
    return _styled(text, _DIM)


def say(text: str = "", *, end: str = "\n") -> None:
    print(text, end=end, flush=True)


def fail(text: str) -> None:
    print(_styled("error: ", _RED, error=True) + text, file=sys.stderr, flush=True)


class Step:
    """The line of a running step; `note` adds what a reader would want to know of it."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._notes: list[str] = []
        self._started = time.monotonic()

    def note(self, text: str) -> None:
        self._notes.append(text)

    def update(self, text: str) -> None:
        """Show progress in place; only on a terminal."""
        if sys.stdout.isatty():
            say(f"\r\033[K  … {self._title}: {dim(text)}", end="")

    def done(self) -> None:
        took = f"{time.monotonic() - self._started:.1f} s"
        notes = f": {', '.join(self._notes)}" if self._notes else ""
        clear = "\r\033[K" if sys.stdout.isatty() else ""
        say(f"{clear}  {_styled('✓', _GREEN)} {self._title}{notes} {dim(f'({took})')}")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Print `title` when the block is done, with the seconds that it took."""
    current = Step(title)
    current.update("")
    yield current
    current.done()
