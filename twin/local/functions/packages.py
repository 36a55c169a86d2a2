"""Unpacked deployment packages: one folder per content hash, unpacked once and shared."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
import uuid
import zipfile
from pathlib import Path


class PackageStore:
    """Folders below `root`, named after the SHA-256 of the archive they were unpacked from."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def unpack(self, archive: bytes) -> Path:
        """The folder with the archive's files, their executable bits kept.

        Raises zipfile.BadZipFile for anything but a ZIP archive, ValueError for a member that would leave
        the folder.
        """
        return self.unpack_named(hashlib.sha256(archive).hexdigest(), archive)

    def unpack_named(self, digest: str, archive: bytes) -> Path:
        """As `unpack`, for an archive whose SHA-256 (hexadecimal) is known."""
        folder = self._root / digest
        with self._lock:
            if not folder.is_dir():
                partial = self._root / f".{digest}-{uuid.uuid4().hex}"
                try:
                    _extract(archive, partial)
                    partial.rename(folder)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
        return folder

    def find(self, digest: str) -> Path | None:
        """The folder of an archive that was unpacked before."""
        folder = self._root / digest
        return folder if folder.is_dir() else None

    def sweep(self, used: set[str]) -> None:
        """Remove the folders whose hash is not in `used`."""
        with self._lock:
            for folder in self._root.iterdir():
                if folder.name not in used:
                    shutil.rmtree(folder, ignore_errors=True)


def _extract(archive: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        for member in members.infolist():
            target = Path(os.path.normpath(folder / member.filename))
            if not target.is_relative_to(folder):
                message = f"archive member {member.filename!r} would be written outside its folder"
                raise ValueError(message)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with members.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            mode = member.external_attr >> 16 & 0o777
            target.chmod(mode or 0o644)
