"""What goes into the bundle of one function."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twin.bundling.errors import BundlingError

_NEVER_SHIPPED = frozenset({"__pycache__"})
_MANIFEST = "bundle.toml"
_ENTRY_SCRIPT = "run.sh"
_ENCODER_SCRIPT = "build_encoder.py"


@dataclass(frozen=True, slots=True)
class Source:
    """The folder `lambda/<noun>`: a package of the same name, its lock, what to prune.

    A layer (a source with an encoder script) is installed below `python/`, where Lambda puts it on the path.
    """

    noun: str
    folder: Path

    @property
    def lock(self) -> Path:
        """Third-party packages with their hashes."""
        return self.folder / "requirements.txt"

    @property
    def package(self) -> Path:
        """The function's own code."""
        return self.folder / self.noun

    @property
    def entry_script(self) -> Path | None:
        """What starts a function that is a server, or None."""
        script = self.folder / _ENTRY_SCRIPT
        return script if script.exists() else None

    @property
    def encoder_script(self) -> Path | None:
        """What builds the model files of the layer, or None."""
        script = self.folder / _ENCODER_SCRIPT
        return script if script.exists() else None

    @property
    def prefix(self) -> Path:
        """Where packages lie within the bundle."""
        return Path("python") if self.encoder_script else Path()

    def prune_globs(self) -> list[str]:
        """Patterns, relative to the installed packages, of what is not shipped."""
        manifest = self.folder / _MANIFEST
        if not manifest.exists():
            return []
        data = tomllib.loads(manifest.read_text(encoding="utf-8"))
        globs = data.get("prune", {}).get("globs", [])
        if set(data) - {"prune"} or not all(isinstance(glob, str) for glob in globs):
            raise BundlingError(f"{manifest.parent.name}/{manifest.name}: accepted: [prune] globs = [texts]")
        return list(globs)

    def package_files(self) -> Iterator[Path]:
        """Files of the function's own code, in a stable order."""
        for path in sorted(self.package.rglob("*")):
            if path.is_file() and not _NEVER_SHIPPED.intersection(path.parts):
                yield path

    def inputs(self) -> Iterator[Path]:
        """Every file that the bundle depends on, in a stable order."""
        manifest = self.folder / _MANIFEST
        fixed = (self.lock, manifest, self.entry_script, self.encoder_script)
        yield from (path for path in fixed if path is not None and path.exists())
        yield from self.package_files()


def source(root: Path, noun: str) -> Source:
    """The source of `noun` below the repository's root.

    Raises:
        BundlingError: it has no lock or no package.
    """
    found = Source(noun, root / "lambda" / noun)
    for path in (found.lock, found.package):
        if not path.exists():
            raise BundlingError(f"{noun}: {path.relative_to(root)} does not exist")
    return found
