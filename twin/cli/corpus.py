"""`twin corpus sync`: asks before it removes, shows progress, names what went wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from stacks.naming import Outputs
from twin.cli.output import Step, dim, say, step
from twin.corpus import Buckets, Progress, SyncReport, sync
from twin.corpus.bucket import CorpusBucket
from twin.corpus.files import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twin.deployment.outputs import Deployment

_SHOWN = 10
_VERBS = {"compare": "compared", "upload": "uploaded", "remove": "removed", "index": "searchable"}


def load_samples(deployment: Deployment, samples: Path) -> None:
    """Make the corpus equal to the samples, unless it holds documents that are none of them."""
    bucket = CorpusBucket(deployment.target.client("s3"), deployment.output("storage", Outputs.CORPUS_BUCKET))
    own = bucket.keys() - scan(samples).files.keys()
    if not own:
        sync_corpus(deployment, samples, wait=True, yes=True)
        return
    with step("corpus") as current:
        plural = "" if len(own) == 1 else "s"
        current.note(f"left as it is: it holds {len(own)} file{plural} that the samples do not have")


def sync_corpus(deployment: Deployment, directory: Path, *, wait: bool, yes: bool) -> SyncReport:
    """Make the environment's corpus equal to the folder and say what happened.

    Raises `twin.corpus.CorpusError` and `twin.deployment.outputs.NotDeployedError`.
    """
    buckets = Buckets(
        deployment.output("storage", Outputs.CORPUS_BUCKET),
        deployment.output("storage", Outputs.EXCHANGE_BUCKET),
    )
    with step("corpus") as current:
        report = sync(
            directory,
            buckets,
            deployment.target.client("s3"),
            confirm=(lambda keys: True) if yes else _asker(current),
            progress=lambda progress: current.update(_describe(progress)),
            wait=wait,
        )
        for note in summarize(report):
            current.note(note)
    _print_attention(report)
    return report


def _asker(current: Step) -> Callable[[Sequence[str]], bool]:
    def ask(keys: Sequence[str]) -> bool:
        current.update("")
        say(f"\n{len(keys)} documents are in the corpus but not in the folder:")
        _print_some(keys)
        if not sys.stdin.isatty():
            say(dim("Kept, since nobody can be asked here; --yes removes them."))
            return False
        try:
            return input("Remove them? [y/N] ").strip().lower() in {"y", "yes"}
        except EOFError:
            say()
            return False

    return ask


def _describe(progress: Progress) -> str:
    documents = f", {progress.documents} documents" if progress.documents else ""
    return f"{progress.done}/{progress.total} files {_VERBS[progress.stage]}{documents}"


def summarize(report: SyncReport) -> list[str]:
    """Say what a sync did, leaving out what it did none of."""
    numbers = {
        "uploaded": report.uploaded,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "kept though gone from the folder": len(report.kept),
        "skipped": len(report.skipped),
    }
    notes = [f"{number} {what}" for what, number in numbers.items() if number]
    if report.documents is not None:
        notes.append(f"{report.documents} documents searchable")
    return notes or ["the folder is empty"]


def _print_attention(report: SyncReport) -> None:
    if report.skipped:
        say("    skipped, not a format that is indexed:")
        _print_some(report.skipped)
    if report.errors:
        say(f"    {len(report.errors)} documents are not searchable:")
        _print_some([str(error) for error in report.errors])


def _print_some(lines: Sequence[str]) -> None:
    for line in lines[:_SHOWN]:
        say(f"      {line}")
    if len(lines) > _SHOWN:
        say(f"      … and {len(lines) - _SHOWN} more")
