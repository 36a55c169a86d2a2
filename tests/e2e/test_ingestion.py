"""Documents through the deployed pipeline: corpus bucket, queue, function, index, answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import DeployedTwin

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "corpus"

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

PANGOLIN = """---
title: {title}
kind: {kind}
---
# {title}

The pangolin named {name} guards the staging cluster at night and eats the stale log lines.
"""


@pytest.fixture
def folder(twin: DeployedTwin, tmp_path: Path) -> Iterator[Path]:
    """A folder with the samples, to which a test adds documents of its own."""
    yield Path(shutil.copytree(SAMPLES, tmp_path / "corpus"))
    twin.restore_samples()


def _results(twin: DeployedTwin, kind: str) -> list[dict[str, str]]:
    answer = twin.client().chat.completions.create(
        model=twin.model,
        messages=[{"role": "user", "content": "Which pangolin guards the staging cluster?"}],
        extra_body={"retrieval": {"filter": {"kind": kind}}},
    )
    return list((answer.model_extra or {})["search_results"])


def _write(directory: Path, name: str, kind: str, animal: str) -> None:
    text = PANGOLIN.format(title=f"The night guard {animal}", kind=kind, name=animal)
    (directory / name).write_text(text, encoding="utf-8")


def test_a_replaced_document_leaves_nothing_of_the_old_one(twin: DeployedTwin, folder: Path) -> None:
    _write(folder, "guard.md", "replaced", "Ada")
    twin.sync(folder)
    assert "Ada" in _results(twin, "replaced")[0]["text"]

    _write(folder, "guard.md", "replaced", "Grace")
    twin.sync(folder)
    texts = [result["text"] for result in _results(twin, "replaced")]
    assert len(texts) == 1
    assert "Grace" in texts[0]


def test_a_deleted_document_is_no_longer_found(twin: DeployedTwin, folder: Path) -> None:
    _write(folder, "gone.md", "deleted", "Mary")
    twin.sync(folder)
    assert _results(twin, "deleted")

    (folder / "gone.md").unlink()
    _write(folder, "other.md", "kept", "Joan")
    twin.sync(folder)
    assert _results(twin, "deleted") == []
    assert _results(twin, "kept")


def test_a_bad_document_goes_to_the_dead_letter_queue_and_blocks_nothing(
    twin: DeployedTwin, folder: Path
) -> None:
    lines = [
        {"id": "first", "text": "The pangolin Ruth guards the staging cluster.", "kind": "line"},
        {"id": "second", "title": "no text at all", "kind": "line"},
        {"id": "third", "text": "The pangolin Rosa guards the staging cluster too.", "kind": "line"},
    ]
    (folder / "guards.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    report = twin.sync(folder)

    assert {result["document_id"] for result in _results(twin, "line")} == {"first", "third"}
    message = twin.dead_letter(containing="guards.jsonl")
    assert "text" in message["reason"]
    assert message["line"] == 2
    assert any("guards.jsonl" in str(problem) for problem in report.errors)


def test_syncing_twice_changes_nothing(twin: DeployedTwin) -> None:
    report = twin.restore_samples()
    assert report.uploaded == 0
    assert report.removed == 0
