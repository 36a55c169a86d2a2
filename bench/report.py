"""The table that `make bench` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    `limit` is the target in `unit`; `at_least` says on which side of it is good. `beside` is the
    figure of the thing to beat, in the same unit and named by `rival`.
    """

    what: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False
    beside: float | None = None
    rival: str = ""

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def ratio(self) -> float | None:
        """How many times better than the rival; above 1 is better."""
        if not self.beside or not self.value:
            return None
        return self.value / self.beside if self.at_least else self.beside / self.value


def render(rows: list[Row]) -> str:
    """Render the rows as a Markdown table, so that the output can be pasted into a document."""
    lines = ["| what | measured | target | beside | ratio |", "|---|---:|---:|---|---:|"]
    for row in rows:
        sign = "≥" if row.at_least else "≤"
        mark = {True: " ✓", False: " ✗", None: ""}[row.met]
        target = "" if row.limit is None else f"{sign} {row.limit:g} {row.unit}{mark}"
        beside = "" if row.beside is None else f"{_number(row.beside)} {row.unit} ({row.rival})"
        ratio = "" if row.ratio is None else f"{row.ratio:.1f} x"
        lines.append(f"| {row.what} | {_number(row.value)} {row.unit} | {target} | {beside} | {ratio} |")
    return "\n".join(re.sub(r" {2,}", " ", line) for line in lines)


def _number(value: float) -> str:
    """Three significant digits, and no exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
