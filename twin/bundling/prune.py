"""Removing what a function does not need to run."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

ALWAYS = (
    "**/__pycache__",
    "**/*.pyc",
    "**/*.pyi",
    # Scripts name the interpreter that installed them, and installers' records differ from run to run.
    "bin",
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/direct_url.json",
    "*.dist-info/uv_cache.json",
    "*.dist-info/uv_build.json",
    ".lock",
)
"""Patterns that are removed from every bundle."""


def prune(folder: Path, globs: Iterable[str]) -> None:
    """Remove what the patterns match below `folder`, and the folders that this leaves empty."""
    for glob in globs:
        for path in sorted(folder.glob(glob)):
            _remove(path)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
