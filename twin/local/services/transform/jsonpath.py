"""The part of JSONPath that the local cloud's transform jobs understand, as `DataProcessing` takes it.

`$`, `$.a.b`, `$['a']`, `$[0]` and, at the end, `$['a','b']`: an object of these members.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)|\[(?P<index>\d+)\]|\[(?P<names>\s*(?:'[^']*'|\"[^\"]*\")\s*"
    r"(?:,\s*(?:'[^']*'|\"[^\"]*\")\s*)*)\]"
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class JsonPathError(ValueError):
    """A path that is none, or that uses more than this module knows."""


class NoMatchError(LookupError):
    """A value without the member or element that a path names."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path: member names and indexes, then possibly several members at once."""

    text: str
    steps: Sequence[str | int]
    members: Sequence[str]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Raises JsonPathError, which shows the path."""
        if not text.startswith("$"):
            raise JsonPathError(f"{text!r} does not begin with $")
        steps: list[str | int] = []
        position = 1
        while position < len(text):
            match = _STEP.match(text, position)
            if match is None:
                raise JsonPathError(
                    f"{text!r} is not supported: expected $, $.a.b, $['a'], $[0] or a last $['a','b']"
                )
            position = match.end()
            names = _names(match["names"]) if match["names"] else []
            if len(names) > 1:
                if position < len(text):
                    raise JsonPathError(f"{text!r} is not supported: several members only at the end")
                return cls(text, steps, names)
            steps.append(int(match["index"]) if match["index"] else names[0] if names else match["name"])
        return cls(text, steps, ())

    @property
    def is_root(self) -> bool:
        """Whether the path selects the whole value."""
        return not self.steps and not self.members

    def select(self, value: Any) -> Any:
        """What the path names in `value`; raises NoMatchError."""
        for step in self.steps:
            value = self._step(value, step)
        return {name: self._step(value, name) for name in self.members} if self.members else value

    def _step(self, value: Any, step: str | int) -> Any:
        fits = isinstance(value, list) if isinstance(step, int) else isinstance(value, dict)
        if not fits or (step >= len(value) if isinstance(step, int) else step not in value):
            raise NoMatchError(f"nothing matches {self.text}")
        return value[step]


def _names(text: str) -> list[str]:
    return [single or double for single, double in _QUOTED.findall(text)]
