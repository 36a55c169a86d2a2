"""Digests tell different content apart."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from twin.bundling.digests import files_digest
from twin.bundling.prune import prune

TEXTS = st.lists(st.text())


@given(TEXTS, TEXTS)
def test_digests_are_equal_exactly_when_the_texts_are(first: list[str], second: list[str]) -> None:
    equal = files_digest(Path(), [], *first) == files_digest(Path(), [], *second)
    assert equal == (first == second)


def test_renaming_a_file_changes_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text("text")
    before = files_digest(tmp_path, [path])
    renamed = path.rename(tmp_path / "other")
    assert files_digest(tmp_path, [renamed]) != before


def test_pruning_removes_links_but_not_what_they_lead_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("text")
    (tmp_path / "bundle" / "bin").mkdir(parents=True)
    (tmp_path / "bundle" / "bin" / "link").symlink_to(kept)
    prune(tmp_path / "bundle", ["bin/*"])
    assert (kept / "file").exists()
    assert not (tmp_path / "bundle" / "bin").exists()
