"""Runs the pinned CDK command line and turns its output into short progress lines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twin.deployment.target import Target

BOOTSTRAP_STACK = "CDKToolkit"
_TAIL_LINES = 30
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_STACK_DONE = re.compile(r"^\s*✅\s+(?P<stack>[\w-]+)(?P<unchanged> \(no changes\))?")


class CdkError(Exception):
    """The CDK command line failed; the message ends with the last lines that it printed."""


@dataclass(frozen=True, slots=True)
class Cdk:
    """The CDK command line of the repository at `root`, speaking to one target."""

    root: Path
    target: Target
    log: Path
    assembly: Path
    """Folder that the synthesized templates go to, or come from."""
    synthesized: bool = False
    """Whether to deploy what lies in `assembly` instead of synthesizing into it."""

    def bootstrap(self, account: str) -> None:
        """Create the bootstrap stack: the bucket and roles through which `cdk deploy` works."""
        # No app is needed to bootstrap; naming one would cost a synth.
        words = ["bootstrap", f"aws://{account}/{self.target.region}", "--app", "", "--no-notices"]
        self._quietly(words, _ignore)

    def deploy(self, progress: Callable[[str, bool], None], stacks: Sequence[str] = ("--all",)) -> None:
        """Deploy the named stacks, or every one, calling `progress(stack, changed)` as each one is done."""

        def read(line: str) -> None:
            if match := _STACK_DONE.match(line):
                progress(match["stack"], match["unchanged"] is None)

        arguments = ["deploy", *stacks, "--concurrency", "4", "--asset-parallelism", "--progress", "events"]
        self._quietly([*arguments, *self._app(), "--require-approval", "never", "--no-notices"], read)

    def run(self, command: str, arguments: Sequence[str] = ()) -> int:
        """Run `cdk COMMAND` for this environment in the caller's terminal; return its exit status."""
        words = [self._executable, command, *arguments, *self._app(), "--no-notices"]
        return subprocess.run(words, cwd=self.root, env=self._environment(), check=False).returncode

    @property
    def _executable(self) -> str:
        return str(self.root / "node_modules" / ".bin" / "cdk")

    def _environment(self) -> dict[str, str]:
        """Return the target's variables, with this Python and the Node beside it first on the path."""
        variables = self.target.process_environment()
        tools = str(Path(sys.executable).parent)
        # Unpacked once for all state directories: it is half a gigabyte.
        variables["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(self.root / "build" / "jsii")
        return variables | {"PATH": os.pathsep.join([tools, variables.get("PATH", os.defpath)])}

    def _app(self) -> list[str]:
        if self.synthesized:
            return ["--app", str(self.assembly)]
        return ["--context", f"env={self.target.environment}", "--output", str(self.assembly)]

    def _quietly(self, arguments: Sequence[str], read: Callable[[str], None]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        lines: list[str] = []
        with self.log.open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [self._executable, *arguments],
                cwd=self.root,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
            )
            assert process.stdout is not None  # noqa: S101 - stdout=PIPE
            for raw in process.stdout:
                line = _ANSI.sub("", raw.rstrip("\n"))
                log.write(line + "\n")
                log.flush()
                lines.append(line)
                read(line)
        if process.wait() != 0:
            tail = "\n".join(lines[-_TAIL_LINES:])
            status = process.returncode
            raise CdkError(f"`cdk {arguments[0]}` exited {status}; its whole output is in {self.log}\n{tail}")


def _ignore(line: str) -> None:
    del line
