"""Sidecars, and what a file's hash covers."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.corpus import CorpusError
from twin.corpus.files import LocalFile, read_sidecar, scan


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("titel: A", "a.pdf.meta.yaml: unknown key 'titel'; accepted are title, url, author, kind, language"),
        ("title: [A, B]", "a.pdf.meta.yaml: title must be a single value"),
        ("just words", "a.pdf.meta.yaml: expected lines like `title: …`"),
        ("", "a.pdf.meta.yaml: expected lines like `title: …`"),
        (f"title: {'ö' * 400}", "a.pdf.meta.yaml: takes 2405 bytes, the limit is 1900"),
    ],
)
def test_a_wrong_sidecar_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.pdf.meta.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        read_sidecar(path)
    assert str(caught.value) == message


def test_a_sidecar_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf.meta.yaml"
    path.write_text("title: [A", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"^a\.pdf\.meta\.yaml: not YAML: "):
        read_sidecar(path)


def test_a_sidecar_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("x")
    (tmp_path / "a.docx.meta.yaml").write_text("title: A")
    with pytest.raises(CorpusError) as caught:
        scan(tmp_path)
    assert str(caught.value) == "a.docx.meta.yaml: there is no a.docx that can be indexed"


def test_empty_values_state_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.md.meta.yaml"
    path.write_text("title:\nauthor: ' Ada  Lovelace '\n")
    assert read_sidecar(path) == {"author": "Ada Lovelace"}


@given(st.text(min_size=1, max_size=50))
def test_metadata_is_ascii_that_decodes_to_the_value(value: str) -> None:
    encoded = LocalFile("a.md", Path("a.md"), {"title": value}).metadata("0")["title"]
    assert encoded.isascii()
    assert encoded.isprintable()
    assert unquote(encoded) == value


def test_the_hash_covers_content_and_attributes(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("Words.")
    plain, titled, other = (
        LocalFile("a.md", path, attributes).read()[1] for attributes in ({}, {"title": "A"}, {"author": "A"})
    )
    assert len({plain, titled, other}) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("new\nline.md", "'new\\nline.md': rename it; a path must be UTF-8 without control characters"),
        (os.fsdecode(b"\xe9.md"), "'\\udce9.md': rename it; a path must be UTF-8 without control characters"),
    ],
)
def test_a_path_that_can_be_no_key_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text("Words.")
    with pytest.raises(CorpusError) as caught:
        scan(tmp_path)
    assert str(caught.value) == message


def test_a_path_that_is_too_long_for_a_key_is_refused(tmp_path: Path) -> None:
    for length in (200, 201):
        folder = tmp_path / str(length)
        nested = folder / "/".join(["d" * 199] * 4)
        nested.mkdir(parents=True)
        (nested / ("é" * 97 + ".md").rjust(length - 97, "f")).write_text("Words.")
        assert length == 201 or len(scan(folder).files) == 1
    with pytest.raises(CorpusError, match=r"é\.md: the path takes 1001 bytes, the limit is 1000$"):
        scan(folder)


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        LocalFile("a.md", tmp_path / "a.md", {}).read()
    assert str(caught.value) == "a.md: cannot be read: No such file or directory"


def test_the_order_of_attributes_does_not_change_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("Words.")
    one, other = {"title": "A", "author": "B"}, {"author": "B", "title": "A"}
    assert LocalFile("a.md", path, one).read() == LocalFile("a.md", path, other).read()
