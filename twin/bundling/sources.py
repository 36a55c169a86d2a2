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
_ACCEPTED = {"prune": "globs", "shared": "packages"}
"""Sections of the manifest, and the one list in each."""


@dataclass(frozen=True, slots=True)
class Source:
    """The folder `lambda/<noun>`: a package of the same name, its lock, what to prune.

    A layer (a source with an encoder script) is installed below `python/`, where Lambda puts it on the path.
    Packages that several functions share lie beside it, in folders without a lock; each bundle has a copy.
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
        return self._manifest("prune")

    def shared_packages(self) -> list[Path]:
        """Packages of other folders that go into the bundle.

        Raises:
            BundlingError: the manifest names one that does not exist.
        """
        packages = [self.folder.parent / name / name for name in self._manifest("shared")]
        for package in packages:
            if not package.is_dir():
                raise BundlingError(f"{self.noun}/{_MANIFEST}: {package} does not exist")
        return packages

    def package_files(self) -> Iterator[Path]:
        """Files of the function's own code and of what it shares, in a stable order."""
        for package in (self.package, *self.shared_packages()):
            for path in sorted(package.rglob("*")):
                if path.is_file() and not _NEVER_SHIPPED.intersection(path.parts):
                    yield path

    def _manifest(self, section: str) -> list[str]:
        """A list in the manifest; empty where there is none."""
        manifest = self.folder / _MANIFEST
        data = tomllib.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
        lists = {
            name: value.get(accepted) for name, value in data.items() if (accepted := _ACCEPTED.get(name))
        }
        if set(lists) != set(data) or not all(map(_is_texts, lists.values())):
            raise BundlingError(
                f"{self.noun}/{_MANIFEST}: accepted: [prune] globs = [texts], [shared] packages = [names]"
            )
        return list(lists.get(section) or [])

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


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
