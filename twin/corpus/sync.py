"""Makes the corpus bucket equal to a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twin.corpus.bucket import CorpusBucket, RemoteObject, in_parallel
from twin.corpus.difference import difference
from twin.corpus.files import Folder, scan
from twin.corpus.index_state import IndexRecords
from twin.corpus.report import Progress, SyncReport
from twin.corpus.waiting import STALL_SECONDS, Clock, wait_until_indexed


@dataclass(frozen=True, slots=True)
class Buckets:
    """Names of an environment's buckets."""

    corpus: str
    exchange: str


def sync(
    directory: Path,
    buckets: Buckets,
    s3: Any,
    *,
    confirm: Callable[[Sequence[str]], bool],
    progress: Callable[[Progress], None] = lambda _: None,
    wait: bool = False,
    stall_seconds: float = STALL_SECONDS,
    clock: Clock | None = None,
) -> SyncReport:
    """Upload what is new or changed in the folder, and remove from the bucket what is gone from it.

    `confirm` is asked with the keys to remove, when there are any. `s3` is a boto3 client. With `wait`,
    return when every document of the folder is searchable, also of earlier syncs, and the removed are not.

    Raises:
        CorpusError: the folder is not one, or a sidecar is wrong.
        StalledError: with `wait`, nothing was indexed for `stall_seconds`.
    """
    folder = scan(directory)
    bucket = CorpusBucket(s3, buckets.corpus)
    report, expected = _transfer(folder, bucket, confirm, progress)
    if not wait:
        return report
    indexed = wait_until_indexed(
        expected,
        IndexRecords(s3, buckets.exchange),
        clock or Clock(time.monotonic, time.sleep),
        progress,
        stall_seconds,
    )
    return replace(report, documents=indexed.documents, errors=indexed.errors)


def _transfer(
    folder: Folder,
    bucket: CorpusBucket,
    confirm: Callable[[Sequence[str]], bool],
    progress: Callable[[Progress], None],
) -> tuple[SyncReport, dict[str, RemoteObject | None]]:
    """Upload and remove. Return also what the index is expected to have then: None for nothing."""
    remote = bucket.objects()
    total = len(folder.files)
    local = in_parallel(
        lambda key: folder.files[key].read()[1],
        folder.files,
        lambda done: progress(Progress("compare", done, total)),
    )
    changes = difference(local, {key: each.sha256 for key, each in remote.items()})
    uploaded = in_parallel(
        lambda key: bucket.upload(folder.files[key]),
        changes.upload,
        lambda done: progress(Progress("upload", done, len(changes.upload))),
    )
    remove = changes.remove if changes.remove and confirm(changes.remove) else ()
    if remove:
        bucket.remove(remove)
        progress(Progress("remove", len(remove), len(remove)))
    report = SyncReport(
        uploaded=len(uploaded),
        removed=len(remove),
        unchanged=len(changes.unchanged),
        kept=() if remove else changes.remove,
        skipped=folder.skipped,
    )
    present = {key: remote[key] for key in changes.unchanged}
    return report, {**present, **uploaded, **dict.fromkeys(remove)}
