"""What `make up` does to the corpus."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from twin.cli import corpus

if TYPE_CHECKING:
    from pathlib import Path

    from twin.deployment.outputs import Deployment


def _deployment(keys: list[str]) -> Deployment:
    """A deployment whose corpus bucket holds these keys."""
    page = {"Contents": [{"Key": key, "ETag": "e"} for key in keys]}
    s3 = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda Bucket: [page]))  # noqa: N803
    target = SimpleNamespace(client=lambda service: s3)
    return cast("Deployment", SimpleNamespace(target=target, output=lambda stack, key: "corpus"))


@pytest.mark.parametrize(
    ("keys", "loaded"), [([], True), (["one.md"], True), (["one.md", "mine.md"], False), (["mine.md"], False)]
)
def test_the_samples_never_replace_documents_that_somebody_put_there(
    keys: list[str],
    loaded: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "one.md").write_text("# One")
    (tmp_path / "two.md").write_text("# Two")
    synced: list[Any] = []
    monkeypatch.setattr(corpus, "sync_corpus", lambda deployment, samples, **_: synced.append(samples))
    corpus.load_samples(_deployment(keys), tmp_path)
    assert synced == ([tmp_path] if loaded else [])
    said = capsys.readouterr().out
    assert ("left as it is: it holds 1 file" in said) is not loaded
