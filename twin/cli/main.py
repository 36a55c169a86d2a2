"""The command line's parser; each command calls one function and turns its errors into one message."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from twin.capacity import WorkloadError
from twin.cli.advise import add_flags
from twin.cli.output import fail
from twin.deployment.cdk import CdkError
from twin.deployment.outputs import NotDeployedError
from twin.deployment.target import DEFAULT_PORT, LOCAL_ENVIRONMENT, loopback_without_proxy
from twin.deployment.turn import BusyError
from twin.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]
_FIRST_PORT, _LAST_PORT = 1024, 65535
_NO_READER = 141
"""What a shell reports of a program that writes to a closed pipe."""


def _environments() -> list[str]:
    return sorted(path.stem for path in (ROOT / "environments").glob("*.yaml"))


def _port(text: str) -> int:
    if not text.isdecimal() or not _FIRST_PORT <= int(text) <= _LAST_PORT:
        message = f"{text!r} is no port: expected {_FIRST_PORT} to {_LAST_PORT}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twin", description="Deploy, fill and ask an LLM twin.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.add_argument(
            "--port", type=_port, default=DEFAULT_PORT, help="port of the local cloud (default: %(default)s)"
        )
        return command

    def add_env(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--env",
            default=LOCAL_ENVIRONMENT,
            choices=_environments(),
            help="environment file to use (default: %(default)s)",
        )

    up = add("up", "Start the local cloud, deploy every stack, load the sample corpus and ask a question.")
    up.add_argument("--model", help="model behind the endpoint: extractive, openai:URL or transformers:PATH")
    add("down", "Stop the local cloud; its state stays in .local/.")
    add("status", "Say whether the local cloud runs, and where.")
    ask = add(
        "ask",
        "Ask the twin a question and print the answer with its sources: streamed, as a job, or as a batch.",
    )
    ask.add_argument("question")
    ask.add_argument(
        "--mode",
        default="realtime",
        choices=["realtime", "background", "batch"],
        help="realtime streams; background waits for a job; batch sends a file (default: %(default)s)",
    )
    ask.add_argument(
        "--file",
        type=Path,
        help="JSON Lines of requests for --mode batch, which answers them instead of the question",
    )
    add_env(ask)
    advice = add("advise", "Say which deployment type fits a workload, and what the others cost or miss.")
    add_env(advice)
    add_flags(advice)
    corpus = add("corpus", "Manage the corpus.")
    corpus.add_argument("action", choices=["sync"], help="sync: upload what changed, remove what is gone")
    corpus.add_argument("directory", type=Path)
    corpus.add_argument("--wait", action="store_true", help="return when every document is searchable")
    corpus.add_argument("--yes", action="store_true", help="remove documents that are gone without asking")
    add_env(corpus)
    for name, help_text in (
        ("synth", "Synthesize an environment's templates into build/assembly/."),
        ("diff", "Show what a deploy would change."),
        ("deploy", "Deploy every stack of an environment."),
    ):
        add_env(add(name, help_text))
    return parser


def _handlers() -> dict[str, Callable[[argparse.Namespace], int]]:
    # The commands import what they need when they run: `synth` does without the local cloud's packages.
    from twin.cli import commands

    return {
        "up": commands.up,
        "down": commands.down,
        "status": commands.status,
        "advise": commands.advise,
        "ask": commands.ask,
        "corpus": commands.corpus_sync,
        "synth": commands.cdk,
        "diff": commands.cdk,
        "deploy": commands.cdk,
    }


def _expected_errors() -> tuple[type[Exception], ...]:
    """Collect the errors whose message is meant for the person at the terminal."""
    errors: list[type[Exception]] = [
        SettingsError,
        WorkloadError,
        CdkError,
        NotDeployedError,
        BusyError,
    ]
    # Present only when a command has loaded them; the names cannot be imported without their packages.
    for module, name in (
        ("twin.corpus", "CorpusError"),
        ("twin.local.lifecycle", "LifecycleError"),
        ("twin.cli.waiting", "JobTimeoutError"),
        ("openai", "OpenAIError"),
    ):
        if module in sys.modules:
            errors.append(getattr(sys.modules[module], name))
    return tuple(errors)


def _told(error: Exception) -> str:
    """The message; of the API's own errors the text in them, with status and code."""
    body = getattr(error, "body", None)
    if not isinstance(body, dict) or "message" not in body:
        return str(error)
    return f"{body['message']} ({getattr(error, 'status_code', '')} {body.get('code') or body.get('type')})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the process's exit status."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if getattr(parsed, "file", None) is not None and parsed.mode != "batch":
        parser.error(f"--file goes with --mode batch, not with {parsed.mode}")
    os.environ.update(loopback_without_proxy(os.environ))
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows a question mark.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return _handlers()[parsed.command](parsed)
    except _expected_errors() as error:
        fail(_told(error))
    except (ClientError, BotoCoreError) as error:
        fail(f"the cloud refused or could not be reached: {error}")
    except (PermissionError, FileNotFoundError, IsADirectoryError) as error:
        fail(f"{error.filename}: {error.strerror}")
    except BrokenPipeError:
        # Nobody reads on, as behind `| head`; what Python would still write at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NO_READER
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 1
