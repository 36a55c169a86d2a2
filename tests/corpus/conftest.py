from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from ingestion.aws import S3Corpus, S3States
from ingestion.index import Indexer
from ingestion.stores import Stores
from moto import mock_aws

from tests.ingestion.fakes import FakeDeadLetters, FakeEncoder, FakeVectors
from twin.corpus import Buckets, Progress, SyncReport, sync
from twin.corpus.waiting import Clock


@dataclass
class Bench:
    """A folder, buckets in memory, and an ingestion function that runs while a sync sleeps."""

    folder: Path
    s3: Any
    vectors: FakeVectors = field(default_factory=FakeVectors)
    asked: list[list[str]] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    now: float = 0.0
    ingest: bool = True

    @property
    def buckets(self) -> Buckets:
        return Buckets("corpus", "exchange")

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket="corpus").get("Contents", ())]

    def sync(self, *, wait: bool = False, agree: bool = True, stall_seconds: float = 30.0) -> SyncReport:
        def confirm(keys: Any) -> bool:
            self.asked.append(list(keys))
            return agree

        return sync(
            self.folder,
            self.buckets,
            self.s3,
            confirm=confirm,
            progress=self.progress.append,
            wait=wait,
            stall_seconds=stall_seconds,
            clock=Clock(lambda: self.now, self._sleep),
        )

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.ingest:
            self.run_ingestion()

    def run_ingestion(self) -> None:
        """Settle every key that is or was in the corpus bucket."""
        stores = Stores(
            S3Corpus(self.s3, "corpus"), S3States(self.s3, "exchange"), self.vectors, FakeDeadLetters()
        )
        states = self.s3.list_objects_v2(Bucket="exchange").get("Contents", ())
        known = {each["Key"].removeprefix("index-state/").removesuffix(".json") for each in states}
        for key in sorted({*self.keys(), *known}):
            Indexer(stores, FakeEncoder(), lambda: self.now, "owner").settle(key, self.now + 900)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3: Any = boto3.client("s3")
        s3.create_bucket(Bucket="corpus")
        s3.create_bucket(Bucket="exchange")
        folder = tmp_path / "corpus"
        folder.mkdir()
        yield Bench(folder, s3)
