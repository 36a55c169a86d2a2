"""Keeps an environment's corpus bucket equal to a folder, and tells when its documents are searchable."""

from __future__ import annotations

from twin.corpus.errors import CorpusError, StalledError
from twin.corpus.files import EXTENSIONS, SIDECAR_SUFFIX
from twin.corpus.report import DocumentError, Progress, Stage, SyncReport
from twin.corpus.sync import Buckets, sync

__all__ = [
    "EXTENSIONS",
    "SIDECAR_SUFFIX",
    "Buckets",
    "CorpusError",
    "DocumentError",
    "Progress",
    "Stage",
    "StalledError",
    "SyncReport",
    "sync",
]
