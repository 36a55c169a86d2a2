"""Names for content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from twin.bundling.prune import ALWAYS
from twin.bundling.sources import Source
from twin.bundling.targets import Target

_RECIPE = "3"
"""Changes when the same inputs are put together in another way."""


def files_digest(root: Path, files: Iterable[Path], *more: str) -> str:
    """SHA-256 in hexadecimal over the files' paths below `root` and bytes, and over `more`."""
    digest = hashlib.sha256()
    for text in (*more, *(part for path in files for part in _described(root, path))):
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def bundle_digest(source: Source, target: Target) -> str:
    """Digest of everything that determines the bundle's bytes."""
    return files_digest(source.folder.parent, source.inputs(), _RECIPE, target.identity, *ALWAYS)


def tree_digest(folder: Path) -> str:
    """Digest of a folder's files, with their modes."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return files_digest(folder, files, *(oct(path.stat().st_mode & 0o777) for path in files))


def _described(root: Path, path: Path) -> tuple[str, str]:
    return path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()
