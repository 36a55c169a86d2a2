"""Stores in memory or in a folder, an encoder that numbers texts, and crashes that tests decide on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from batch.stores import FilterRefusedError, SearchUnavailableError
from jobtable.records import ANNOUNCING_SECONDS, Record
from jobtable.states import FINAL
from numpy.typing import NDArray
from retrieval import Passage

CHUNK_BYTES = 1000


class CrashError(BaseException):
    """The invocation ends here, as at a time-out: nothing that it would still do happens."""


@dataclass
class Meddling:
    """Counts the moments before and after calls to the stores, and does something at the n-th."""

    at: int = -1
    action: Callable[[], None] = lambda: None
    moments: int = 0

    def __call__(self) -> None:
        self.moments += 1
        if self.moments == self.at:
            self.action()


@dataclass
class FakeContent:
    """An object whose chunks end anywhere."""

    parts: Callable[[], Iterator[bytes]]
    size: int
    etag: str

    def chunks(self) -> Iterator[bytes]:
        return self.parts()


class FakeWriter:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data


@dataclass
class FakeObjects:
    meddle: Meddling = field(default_factory=Meddling)
    stored: dict[str, bytes] = field(default_factory=dict)

    def upload(self, key: str, data: bytes) -> None:
        self.stored[key] = data

    def read(self, key: str) -> FakeContent | None:
        self.meddle()
        data = self.stored.get(key)
        if data is None:
            return None
        starts = range(0, len(data), CHUNK_BYTES)
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return FakeContent(lambda: (data[at : at + CHUNK_BYTES] for at in starts), len(data), etag)

    @contextmanager
    def writer(self, key: str) -> Iterator[FakeWriter]:
        self.meddle()
        writer = FakeWriter()
        yield writer
        self.meddle()
        self.stored.pop(key, None)
        if writer.data:
            self.stored[key] = bytes(writer.data)
        self.meddle()

    def size(self, key: str) -> int | None:
        self.meddle()
        return len(self.stored[key]) if key in self.stored else None

    def keys(self, prefix: str) -> list[str]:
        self.meddle()
        return sorted(key for key in self.stored if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self.meddle()
        self.stored.pop(key, None)
        self.meddle()


class FolderWriter:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def close(self) -> None:
        self._file.close()


@dataclass
class FolderObjects:
    """Objects that are files: they take no memory."""

    folder: Path

    def path(self, key: str) -> Path:
        return self.folder / quote(key, safe="")

    def upload(self, key: str, data: bytes) -> None:
        self.path(key).write_bytes(data)

    def read(self, key: str) -> FakeContent | None:
        path = self.path(key)
        return FakeContent(lambda: _chunks(path), path.stat().st_size, "") if path.exists() else None

    @contextmanager
    def writer(self, key: str) -> Iterator[FolderWriter]:
        unfinished = self.path(key).with_suffix(".unfinished")
        writer = FolderWriter(unfinished)
        try:
            yield writer
        except BaseException:  # also one that ends the function, as the tests' kills do
            writer.close()
            unfinished.unlink()
            raise
        writer.close()
        unfinished.replace(self.path(key))
        if self.size(key) == 0:
            self.delete(key)

    def size(self, key: str) -> int | None:
        return self.path(key).stat().st_size if self.path(key).exists() else None

    def keys(self, prefix: str) -> list[str]:
        found = sorted(unquote(path.name) for path in self.folder.iterdir())
        return [key for key in found if key.startswith(prefix)]

    def delete(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(64 * 1024):
            yield chunk


@dataclass
class FakeJobs:
    meddle: Meddling = field(default_factory=Meddling)
    stored: dict[tuple[str, str], Record] = field(default_factory=dict)

    def put(self, record: Mapping[str, Any]) -> None:
        self.stored[record["owner"], record["id"]] = dict(record)

    def read(self, owner: str, record_id: str) -> Record | None:
        self.meddle()
        record = self.stored.get((owner, record_id))
        return dict(record) if record else None

    def change(
        self, record: Mapping[str, Any], *, allowed: Collection[str], fields: Mapping[str, Any]
    ) -> Record | None:
        self.meddle()
        found = self.stored.get((record["owner"], record["id"]))
        if found is None or found["status"] not in allowed:
            return None
        found |= json.loads(json.dumps(fields))
        ended = fields.get("status") in FINAL and "due_at" not in fields
        if ended or "notified_at" in fields:
            found.pop("open", None)
            found.pop("due_at", None)
        self.meddle()
        return dict(found)

    def end(
        self, record: Mapping[str, Any], *, allowed: Collection[str], fields: Mapping[str, Any], now: int
    ) -> Record | None:
        due = {"due_at": now + ANNOUNCING_SECONDS} if record.get("client") else {}
        return self.change(record, allowed=allowed, fields={**fields, **due})

    def notified(self, record: Mapping[str, Any], now: int) -> None:
        if "notified_at" not in self.stored[record["owner"], record["id"]]:
            self.change(record, allowed=FINAL, fields={"notified_at": now})

    def put_new(self, record: Mapping[str, Any]) -> None:
        self.meddle()
        self.stored.setdefault((record["owner"], record["id"]), dict(record))
        self.meddle()


@dataclass
class FakeWebhooks:
    meddle: Meddling = field(default_factory=Meddling)
    events: list[dict[str, Any]] = field(default_factory=list)

    def send(self, event: Mapping[str, Any]) -> None:
        self.meddle()
        self.events.append(json.loads(json.dumps(event)))
        self.meddle()


class NumberingEncoder:
    """A text's vector is its number among the texts that were encoded."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        start = len(self.texts)
        self.texts += texts
        return np.arange(start, len(self.texts), dtype=np.float32).reshape(-1, 1)


@dataclass
class FakeSources:
    """Finds what `found` says for a text. While `down`, or for the author `refused`, it fails."""

    encoder: NumberingEncoder
    found: dict[str, list[Passage]] = field(default_factory=dict)
    down: bool = False
    searched: list[tuple[str, int, Any]] = field(default_factory=list)

    def search(
        self, vector: Sequence[float], top_k: int, metadata_filter: Mapping[str, Any] | None
    ) -> list[Passage]:
        text = self.encoder.texts[int(vector[0])]
        self.searched.append((text, top_k, metadata_filter))
        if self.down:
            raise SearchUnavailableError
        if metadata_filter == {"author": {"$eq": "refused"}}:
            raise FilterRefusedError
        return self.found.get(text, [])[:top_k]
