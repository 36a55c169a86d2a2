"""`make bench [ARGS="orchestrator synthesis cloud"]`: measure and print one table."""

from __future__ import annotations

import argparse

from bench import clone, cranfield, encoder, jobs, latency, memory, orchestrator, synthesis
from bench.report import Row, render


def _cloud() -> list[Row]:
    """Everything that is measured in a fresh clone, brought up as a user would."""
    with clone.brought_up() as up:
        # Memory first: idle means before the load of the others.
        return [
            *up.rows(),
            *memory.measure(up),
            *latency.measure(up),
            *jobs.measure(up),
            *cranfield.measure(up),
        ]


SECTIONS = {
    "encoder": encoder.measure,
    "orchestrator": orchestrator.measure,
    "synthesis": synthesis.measure,
    "cloud": _cloud,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"any of {', '.join(SECTIONS)}; all without a name")
    chosen = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(chosen) - SECTIONS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    rows = [row for section in chosen for row in SECTIONS[section]()]
    print(render(rows))


if __name__ == "__main__":
    main()
