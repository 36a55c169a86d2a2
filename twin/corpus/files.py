"""The files of a corpus folder, and the attributes that lie beside them.

`report.pdf.meta.yaml` beside `report.pdf` may state its title, url, author, kind and language. What a
document states itself, in Markdown front matter or in a line of JSON Lines, goes before that.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import yaml

from twin.corpus.errors import CorpusError

SIDECAR_SUFFIX = ".meta.yaml"
CONTENT_TYPES: Mapping[str, str] = {
    ".md": "text/markdown; charset=utf-8",
    ".markdown": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".pdf": "application/pdf",
    ".jsonl": "application/jsonl",
}
EXTENSIONS = frozenset(CONTENT_TYPES)
"""Extensions, in lower case, of the formats that are indexed."""

ATTRIBUTES = ("title", "url", "author", "kind", "language")

MAX_METADATA_BYTES = 1_900
"""S3's limit for an object's metadata is 2 KB, of which the hash takes a part."""

MAX_KEY_BYTES = 1_000
"""S3's limit for a key is 1,024 bytes; the record of the document's indexing has a longer one."""

_SAFE = " !\"#$&'()*+,/:;<=>?@[]^_`{|}~.-"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to be indexed. `key` is its path in the folder, `attributes` are those of its sidecar."""

    key: str
    path: Path
    attributes: Mapping[str, str]

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.path.suffix.lower()]

    def read(self) -> tuple[bytes, str]:
        """Return the content, and the SHA-256 over it and the attributes."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise CorpusError(f"{self.key}: cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(content)
        if self.attributes:
            digest.update(b"\0" + json.dumps(self.attributes, sort_keys=True).encode())
        return content, digest.hexdigest()

    def metadata(self, sha256: str) -> dict[str, str]:
        """Return the object's metadata; values are percent-encoded, for S3 takes ASCII only."""
        encoded = {name: quote(value, safe=_SAFE) for name, value in self.attributes.items()}
        return {**encoded, "sha256": sha256}


@dataclass(frozen=True, slots=True)
class Folder:
    """What a corpus folder holds: files by key, and paths of files whose format is not indexed."""

    files: Mapping[str, LocalFile]
    skipped: tuple[str, ...]


def scan(directory: Path) -> Folder:
    """Find the files below the folder; those whose path has a part that starts with a dot do not count.

    Raises:
        CorpusError: the folder does not exist, a path can be no key, or a sidecar is wrong or alone.
    """
    if not directory.is_dir():
        raise CorpusError(f"{directory} is not a folder")
    paths = dict(_visible(directory))
    sidecars = {key for key in paths if key.endswith(SIDECAR_SUFFIX)}
    indexed = [key for key in paths if paths[key].suffix.lower() in EXTENSIONS]
    for alone in sorted(sidecars - {key + SIDECAR_SUFFIX for key in indexed}):
        raise CorpusError(f"{alone}: there is no {alone.removesuffix(SIDECAR_SUFFIX)} that can be indexed")
    files = {}
    for key in indexed:
        _check_key(key)
        sidecar = paths.get(key + SIDECAR_SUFFIX)
        files[key] = LocalFile(key, paths[key], read_sidecar(sidecar) if sidecar else {})
    skipped = sorted(set(paths) - set(files) - sidecars)
    return Folder(files, tuple(skipped))


def _check_key(key: str) -> None:
    # Surrogates (Cs) stand for the bytes of a name that is not UTF-8.
    if any(unicodedata.category(each) in {"Cc", "Cs"} for each in key):
        raise CorpusError(f"{key!r}: rename it; a path must be UTF-8 without control characters")
    if (size := len(key.encode())) > MAX_KEY_BYTES:
        raise CorpusError(f"{key}: the path takes {size} bytes, the limit is {MAX_KEY_BYTES}")


def read_sidecar(path: Path) -> dict[str, str]:
    """Return the attributes in a sidecar.

    Raises:
        CorpusError: it is not YAML, has other keys, or other values than single ones.
    """
    try:
        # The base loader makes nothing but strings, lists and dictionaries, so `title: 2024` stays text.
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - see above
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path.name}: not YAML: {error}") from error
    if not isinstance(values, dict):
        raise CorpusError(f"{path.name}: expected lines like `title: …`")
    for name, value in values.items():
        if name not in ATTRIBUTES:
            raise CorpusError(f"{path.name}: unknown key {name!r}; accepted are {', '.join(ATTRIBUTES)}")
        if not isinstance(value, str):
            raise CorpusError(f"{path.name}: {name} must be a single value")
    attributes = {name: " ".join(value.split()) for name, value in values.items() if value.strip()}
    size = sum(len(name) + len(quote(value, safe=_SAFE)) for name, value in attributes.items())
    if size > MAX_METADATA_BYTES:
        raise CorpusError(f"{path.name}: takes {size} bytes, the limit is {MAX_METADATA_BYTES}")
    return attributes


def _visible(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield relative.as_posix(), path
