"""A repository of two functions and wheels of its own, so that bundling needs no network."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ENCODER_SCRIPT = """
import sys
from pathlib import Path

output = Path(sys.argv[1])
(output / "encoder.onnx").write_bytes(b"graph")
with (Path(__file__).parents[2] / "encoder-builds.txt").open("a") as log:
    log.write("built\\n")
"""


@dataclass(frozen=True)
class Wheel:
    """A wheel on disk."""

    name: str
    path: Path

    def lock_line(self, sha256: str | None = None) -> str:
        """Its line in a lock, with its own hash or another."""
        digest = sha256 or hashlib.sha256(self.path.read_bytes()).hexdigest()
        return f"{self.name}==1.0 --hash=sha256:{digest}\n"


def make_wheel(folder: Path, name: str, files: dict[str, str]) -> Wheel:
    """A wheel for any Python and platform, with an entry point, as many real ones have."""
    info = f"{name}-1.0.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    contents[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*contents, f"{info}/RECORD"])
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return Wheel(name, path)


@dataclass(frozen=True)
class Repository:
    """`lambda/greeter` is a server with a dependency; `lambda/retrieval` is a layer with an encoder."""

    root: Path
    wheel: Wheel

    @property
    def greeter(self) -> Path:
        return self.root / "lambda" / "greeter"

    @property
    def retrieval(self) -> Path:
        return self.root / "lambda" / "retrieval"

    @property
    def encoder_builds(self) -> int:
        log = self.root / "encoder-builds.txt"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def leftovers(self) -> list[Path]:
        return list((self.root / "build").rglob(".unfinished-*"))


def make_repository(root: Path) -> Repository:
    wheels = root / "wheels"
    wheels.mkdir(parents=True)
    wheel = make_wheel(
        wheels,
        "speech",
        {
            "speech/__init__.py": "def main():\n    print('hello')\n",
            "speech/py.typed": "",
            "speech/hints.pyi": "",
            "speech/data/large.txt": "x" * 1000,
            "speech/tests/test_speech.py": "",
        },
    )
    repository = Repository(root, wheel)
    for folder, package in ((repository.greeter, "greeter"), (repository.retrieval, "retrieval")):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("import speech\n")
        (folder / "requirements.txt").write_text(wheel.lock_line())
    (repository.greeter / "run.sh").write_text("#!/bin/sh\n")
    (repository.greeter / "bundle.toml").write_text('[prune]\nglobs = ["speech/data", "**/tests"]\n')
    (repository.retrieval / "build_encoder.py").write_text(ENCODER_SCRIPT)
    return repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = make_repository(tmp_path / "repository")
    monkeypatch.setenv("UV_FIND_LINKS", str(made.wheel.path.parent))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return made
