"""The programs that bundling calls."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from twin.bundling.errors import BundlingError
from twin.bundling.targets import Target

_LAST_LINES = 15


def install_packages(noun: str, lock: Path, folder: Path, target: Target) -> None:
    """Install the lock's packages into `folder`: only wheels, each checked against its hash."""
    if not any(line.strip() and not line.startswith("#") for line in lock.read_text().splitlines()):
        return
    platform = ("--python-platform", target.platform) if target.platform else ()
    command = (
        *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--python", sys.executable, "--python-version", target.python, *platform),
        *("--no-compile-bytecode", "--link-mode", "copy", "--no-config"),
        *("--target", str(folder), "--requirements", str(lock)),
    )
    _run(noun, "installing its packages", [str(_uv()), *command])


def build_encoder(noun: str, script: Path, folder: Path) -> None:
    """Run the script that writes the encoder's files into `folder`."""
    _run(noun, "building its encoder", [sys.executable, str(script), str(folder)])


def _uv() -> Path:
    """The uv beside the running interpreter, or one on the path."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise BundlingError("uv is not installed; requirements.txt has it: run make setup")
    return Path(found)


def _run(noun: str, step: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:])
        raise BundlingError(f"{noun}: {step} failed with exit code {done.returncode}:\n{said}")
