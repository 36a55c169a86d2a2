"""`python -m twin.local`: the local cloud in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from twin.local import DEFAULT_PORT
from twin.local.lifecycle import LifecycleError
from twin.local.options import CloudOptions
from twin.local.server import run
from twin.local.services import ModelOptionsError
from twin.local.state import StateError


def parse(arguments: list[str] | None = None) -> CloudOptions:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m twin.local", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1 (default %(default)s)"
    )
    parser.add_argument(
        "--state", type=Path, default=Path(".local"), help="state directory (default %(default)s)"
    )
    parser.add_argument(
        "--model", default="extractive", help="extractive, openai:<url> or transformers:<path>"
    )
    parser.add_argument(
        "--ttft-ms", type=float, default=20.0, help="time to first token of the extractive model"
    )
    parser.add_argument("--itl-ms", type=float, default=5.0, help="its inter-token latency")
    parser.add_argument(
        "--wake-seconds", type=float, default=1.0, help="time in which an asynchronous endpoint leaves zero"
    )
    values = parser.parse_args(arguments)
    return CloudOptions(
        values.state, values.port, values.model, values.ttft_ms, values.itl_ms, values.wake_seconds
    )


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; the exit status."""
    try:
        run(parse(arguments))
    except (LifecycleError, ModelOptionsError, StateError) as error:
        sys.stderr.write(f"twin.local: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
