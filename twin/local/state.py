"""What the state directory holds, and whether this cloud can go on from it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from twin.local.layout import StateLayout
from twin.local.services import discard_state

FORMAT = 1


class StateError(Exception):
    """The state directory cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who wrote the state. `settled` is false while a stack is being created, changed or deleted."""

    format: int
    emulator: str
    port: int
    settled: bool

    @classmethod
    def current(cls, port: int) -> Manifest:
        """The manifest of a new state directory."""
        return cls(FORMAT, version("ministack"), port, settled=True)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest; raises StateError for a file that is none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            message = (
                f"{path} is not readable as the local cloud's manifest ({error}). "
                f"Remove the folder {path.parent} and start again"
            )
            raise StateError(message) from error

    def write(self, path: Path) -> None:
        """Replace the file as a whole."""
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        partial.replace(path)

    def with_settled(self, settled: bool) -> Manifest:
        """The same manifest with another `settled`."""
        return replace(self, settled=settled)


def prepare(layout: StateLayout, port: int) -> str | None:
    """Make the directory ready and return why earlier state was discarded, or None.

    State that this cloud cannot go on from is discarded, since a deploy rebuilds it. Raises StateError for a
    directory with content that no local cloud wrote.
    """
    folders = (layout.emulator, layout.objects, layout.services)
    if not layout.manifest_file.exists():
        for folder in folders:
            if folder.exists() and any(folder.iterdir()):
                message = (
                    f"{folder} has content, but no local cloud wrote {layout.root}: there is no "
                    f"{layout.manifest_file.name}. Remove the folder, or choose another state directory"
                )
                raise StateError(message)
        reason = None
    else:
        reason = unusable(layout, Manifest.read(layout.manifest_file), port)
    if reason is not None:
        discard(layout)
    layout.prepare()
    Manifest.current(port).write(layout.manifest_file)
    return reason


def unusable(layout: StateLayout, manifest: Manifest, port: int) -> str | None:
    """Why the stored state cannot be used, or None."""
    current = Manifest.current(port)
    if manifest.format != current.format:
        return f"it has format {manifest.format}, this version writes {current.format}"
    if manifest.emulator != current.emulator:
        return f"MiniStack {manifest.emulator} wrote it, {current.emulator} is installed"
    if manifest.port != port:
        return f"it belongs to port {manifest.port}, and queue addresses in it name that port, not {port}"
    if not manifest.settled:
        return "the cloud stopped while a stack was being deployed"
    for folder in (layout.emulator, layout.objects, layout.services, layout.packages):
        if not folder.is_dir():
            return f"its folder {folder.name} is gone"
    for path in sorted(layout.emulator.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            return f"{path.name} is damaged ({error})"
    return None


def discard(layout: StateLayout) -> None:
    """Forget what was deployed and stored; logs and the manifest stay."""
    discard_state(layout.services)
    for folder in (layout.emulator, layout.objects, layout.packages, layout.scratch):
        shutil.rmtree(folder, ignore_errors=True)
