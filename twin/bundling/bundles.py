"""Bundles, by the hash of what they are made of."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from twin.bundling.commands import build_encoder, install_packages
from twin.bundling.digests import bundle_digest, files_digest
from twin.bundling.locking import only_builder
from twin.bundling.prune import ALWAYS, prune
from twin.bundling.sources import Source, source
from twin.bundling.targets import Target

NOUNS = ("orchestrator", "authorizer", "ingestion", "retrieval", "jobs", "batch")
_SHOWN_DIGITS = 16
_FIXED_TIME = 315_532_800
"""1980-01-01 in seconds since the epoch, the earliest in a zip: equal bundles make equal archives."""


@dataclass(frozen=True, slots=True)
class Built:
    """A finished bundle; `digest` is the SHA-256 of its inputs, in hexadecimal."""

    path: Path
    digest: str


def ensure(root: Path, target: Target, nouns: Iterable[str] = NOUNS) -> Mapping[str, Built]:
    """Bundles of the functions below `root/lambda`, built where they do not exist.

    When they exist this only reads the sources: no lock, no program, no network.

    Raises:
        BundlingError: a source is incomplete, or a package cannot be installed.
    """
    return {noun: _ensure_one(root / "build", source(root, noun), target) for noun in nouns}


def _ensure_one(build: Path, source: Source, target: Target) -> Built:
    digest = bundle_digest(source, target)
    built = Built(build / "bundles" / f"{source.noun}-{target.name}-{digest[:_SHOWN_DIGITS]}", digest)
    if not built.path.exists():
        with only_builder(build / "bundles"):
            if not built.path.exists():
                _build(build, source, target, built.path)
    return built


def _build(build: Path, source: Source, target: Target, destination: Path) -> None:
    """Put the bundle together beside its destination, and move it there when it is complete."""
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".unfinished-") as scratch:
        folder = Path(scratch) / "bundle"
        packages = folder / source.prefix
        packages.mkdir(parents=True)
        install_packages(source.noun, source.lock, packages, target)
        prune(packages, (*ALWAYS, *source.prune_globs()))
        _copy_package(source, packages)
        if source.entry_script:
            shutil.copyfile(source.entry_script, folder / source.entry_script.name)
        if source.encoder_script:
            shutil.copytree(_encoder(build, source, source.encoder_script), packages / source.noun / "model")
        _normalize(folder, source)
        folder.rename(destination)


def _copy_package(source: Source, packages: Path) -> None:
    for path in source.package_files():
        # lambda/<noun>/<package>/… becomes <package>/…
        copy = packages / Path(*path.relative_to(source.folder.parent).parts[1:])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _encoder(build: Path, source: Source, script: Path) -> Path:
    """The encoder's files; the same for every target, and kept when only the layer's code changes."""
    digest = files_digest(source.folder, [script])
    folder = build / f"encoder-{digest[:_SHOWN_DIGITS]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=build, prefix=".unfinished-") as scratch:
            output = Path(scratch) / "encoder"
            output.mkdir()
            build_encoder(source.noun, script, output)
            output.rename(folder)
    return folder


def _normalize(folder: Path, source: Source) -> None:
    """Give files the modes and times that do not depend on who builds, and when."""
    entry = source.entry_script.name if source.entry_script else None
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or path == folder / str(entry)
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (_FIXED_TIME, _FIXED_TIME))
