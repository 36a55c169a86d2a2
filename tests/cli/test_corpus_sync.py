"""What `twin corpus sync` asks, and its exit status."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from twin.cli import commands, corpus
from twin.corpus import DocumentError, SyncReport

if TYPE_CHECKING:
    from twin.deployment.outputs import Deployment

BAD = DocumentError("a.md", "the document has no text")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def removes(monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO, *, yes: bool = False) -> bool:
    """Whether the sync is told to remove a document."""
    agreed: list[bool] = []

    def sync(*arguments: Any, confirm: Any, **named: Any) -> SyncReport:
        agreed.append(confirm(["gone.md"]))
        return SyncReport(uploaded=0, removed=0, unchanged=0)

    class FakeDeployment:
        target: Any = argparse.Namespace(client=lambda service: None)

        def output(self, stack: str, key: str) -> str:
            return "bucket"

    deployment: Any = FakeDeployment()
    monkeypatch.setattr("sys.stdin", stdin)
    monkeypatch.setattr(corpus, "sync", sync)
    corpus.sync_corpus(deployment, Path(), wait=False, yes=yes)
    return agreed == [True]


@pytest.mark.parametrize(
    ("answer", "removed"),
    [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("maybe\n", False), ("", False)],
)
def test_only_a_yes_removes(monkeypatch: pytest.MonkeyPatch, answer: str, removed: bool) -> None:
    assert removes(monkeypatch, Terminal(answer)) is removed


def test_where_nobody_can_be_asked_nothing_is_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not removes(monkeypatch, io.StringIO("y\n"))
    assert "--yes removes them" in capsys.readouterr().out


def test_yes_removes_without_asking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert removes(monkeypatch, io.StringIO(), yes=True)
    assert "gone.md" not in capsys.readouterr().out


@pytest.mark.parametrize(("errors", "status"), [((), 0), ((BAD,), 1)])
def test_documents_that_are_not_searchable_make_the_status_1(
    monkeypatch: pytest.MonkeyPatch, errors: tuple[DocumentError, ...], status: int
) -> None:
    def sync_corpus(deployment: Deployment, directory: Path, *, wait: bool, yes: bool) -> SyncReport:
        return SyncReport(uploaded=1, removed=0, unchanged=0, documents=0, errors=errors)

    monkeypatch.setattr(corpus, "sync_corpus", sync_corpus)
    monkeypatch.setattr(commands, "_require_local_cloud", lambda port: None)
    parsed = argparse.Namespace(env="local", port=1, directory=Path(), wait=True, yes=False)
    assert commands.corpus_sync(parsed) == status
