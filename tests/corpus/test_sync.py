"""Syncing a folder with the bucket, and waiting for the index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ingestion.parse import EXTENSIONS as PARSED_EXTENSIONS
from ingestion.state import IndexState, Lease

from tests.corpus.conftest import Bench
from twin.corpus import EXTENSIONS, CorpusError, DocumentError, Progress, StalledError, sync
from twin.corpus.bucket import RemoteObject
from twin.corpus.index_state import IndexRecord
from twin.corpus.waiting import Clock, wait_until_indexed


def test_what_is_new_is_uploaded_with_its_hash_and_type(bench: Bench) -> None:
    bench.write("articles/scaling.md", "# Scaling\n\nWords.")
    bench.write("notes.TXT", "Words.")
    report = bench.sync()
    assert (report.uploaded, report.removed, report.unchanged) == (2, 0, 0)
    assert (report.documents, report.errors) == (None, ())
    assert bench.keys() == ["articles/scaling.md", "notes.TXT"]
    head = bench.s3.head_object(Bucket="corpus", Key="articles/scaling.md")
    assert head["ContentType"] == "text/markdown; charset=utf-8"
    assert len(head["Metadata"]["sha256"]) == 64


def test_a_second_sync_changes_nothing(bench: Bench) -> None:
    bench.write("a.md", "Words.")
    bench.sync()
    before = bench.s3.head_object(Bucket="corpus", Key="a.md")["LastModified"]
    report = bench.sync()
    assert (report.uploaded, report.removed, report.unchanged) == (0, 0, 1)
    assert bench.s3.head_object(Bucket="corpus", Key="a.md")["LastModified"] == before


def test_only_what_changed_is_uploaded(bench: Bench) -> None:
    bench.write("a.md", "Words.")
    bench.write("b.md", "Words.")
    bench.sync()
    bench.write("a.md", "Other!")
    report = bench.sync()
    assert (report.uploaded, report.unchanged) == (1, 1)
    assert bench.s3.get_object(Bucket="corpus", Key="a.md")["Body"].read() == b"Other!"


def test_an_object_that_something_else_uploaded_is_replaced(bench: Bench) -> None:
    bench.s3.put_object(Bucket="corpus", Key="a.md", Body=b"Words.")
    bench.write("a.md", "Words.")
    assert bench.sync().uploaded == 1


def test_what_is_gone_is_removed_after_asking(bench: Bench) -> None:
    for name in ("a.md", "b.md", "c.md"):
        bench.write(name, "Words.")
    bench.sync()
    assert bench.asked == []
    (bench.folder / "a.md").unlink()
    (bench.folder / "c.md").unlink()
    report = bench.sync()
    assert bench.asked == [["a.md", "c.md"]]
    assert (report.removed, report.kept) == (2, ())
    assert bench.keys() == ["b.md"]


def test_what_is_gone_is_kept_when_the_answer_is_no(bench: Bench) -> None:
    bench.write("a.md", "Words.")
    bench.sync()
    (bench.folder / "a.md").unlink()
    report = bench.sync(agree=False)
    assert (report.removed, report.kept) == (0, ("a.md",))
    assert bench.keys() == ["a.md"]


def test_other_formats_are_named_and_hidden_files_are_not(bench: Bench) -> None:
    for name in ("a.md", "slides.pptx", "images/b.png", "README", ".DS_Store", ".git/config.md"):
        bench.write(name, "Words.")
    assert bench.sync().skipped == ("README", "images/b.png", "slides.pptx")
    assert bench.keys() == ["a.md"]


def test_the_formats_are_those_that_the_function_parses() -> None:
    assert EXTENSIONS == PARSED_EXTENSIONS


def test_more_than_a_listing_has_is_synced(bench: Bench) -> None:
    for number in range(1_001):
        bench.s3.put_object(Bucket="corpus", Key=f"{number:04}.md", Body=b"x")
    report = bench.sync()
    assert report.removed == 1_001
    assert bench.keys() == []


def test_a_folder_that_is_none_is_refused(bench: Bench, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(CorpusError) as caught:
        sync(missing, bench.buckets, bench.s3, confirm=lambda keys: True)
    assert str(caught.value) == f"{missing} is not a folder"


def test_waiting_ends_when_everything_is_searchable(bench: Bench) -> None:
    bench.write("a.md", "Words of a.")
    bench.write("b.jsonl", '{"id": "1", "text": "One."}\n{"id": "2", "text": "Two."}\n')
    report = bench.sync(wait=True)
    assert (report.documents, report.errors) == (3, ())
    assert sorted(bench.vectors.texts()) == ["One.", "Two.", "Words of a."]
    assert bench.progress[-1] == Progress("index", 2, 2, documents=3)


def test_waiting_reports_the_documents_in_error(bench: Bench) -> None:
    bench.write("good.md", "Words.")
    bench.write("bad.md", b"\xff")
    bench.write("lines.jsonl", '{"id": "1", "text": "One."}\n{"id": "2"}\nnonsense\n')
    report = bench.sync(wait=True)
    assert report.documents == 2
    assert report.errors == (
        DocumentError("bad.md", "not UTF-8: byte 0 is 0xff", "bad.md"),
        DocumentError("lines.jsonl", "'text' is missing", "2", 2),
        DocumentError("lines.jsonl", "not JSON: Expecting value at column 1", None, 3),
    )
    assert [str(error) for error in report.errors] == [
        "bad.md: not UTF-8: byte 0 is 0xff",
        "lines.jsonl, line 2 (2): 'text' is missing",
        "lines.jsonl, line 3: not JSON: Expecting value at column 1",
    ]


def test_waiting_covers_what_an_earlier_sync_uploaded(bench: Bench) -> None:
    bench.write("a.md", "Words.")
    bench.sync()
    assert bench.vectors.texts() == []
    report = bench.sync(wait=True)
    assert (report.uploaded, report.documents) == (0, 1)
    assert bench.vectors.texts() == ["Words."]


def test_waiting_covers_replaced_and_removed_documents(bench: Bench) -> None:
    bench.write("a.md", "Old.")
    bench.write("b.md", "Gone.")
    bench.sync(wait=True)
    bench.write("a.md", "New.")
    (bench.folder / "b.md").unlink()
    report = bench.sync(wait=True)
    assert report.documents == 1
    assert bench.vectors.texts() == ["New."]


def test_waiting_covers_a_removal_alone(bench: Bench) -> None:
    bench.write("a.md", "Words.")
    bench.sync(wait=True)
    (bench.folder / "a.md").unlink()
    assert bench.sync(wait=True).documents == 0
    assert bench.vectors.texts() == []


def test_a_sidecar_gives_attributes_and_its_change_is_a_change(bench: Bench) -> None:
    bench.write("a.txt", "Words.")
    bench.write("a.txt.meta.yaml", "title: Größe\nauthor: Ada\n")
    bench.sync(wait=True)
    ((_, record),) = bench.vectors.records.items()
    assert (record.metadata["title"], record.metadata["author"]) == ("Größe", "Ada")

    bench.write("a.txt.meta.yaml", "title: 50 % off\n")
    report = bench.sync(wait=True)
    assert (report.uploaded, report.skipped) == (1, ())
    ((_, record),) = bench.vectors.records.items()
    assert record.metadata["title"] == "50 % off"
    assert "author" not in record.metadata
    assert bench.keys() == ["a.txt"]


def test_when_nothing_is_indexed_the_wait_ends_with_names(bench: Bench) -> None:
    bench.ingest = False
    for number in range(7):
        bench.write(f"{number}.md", "Words.")
    with pytest.raises(StalledError) as caught:
        bench.sync(wait=True, stall_seconds=10)
    assert str(caught.value) == (
        "nothing was indexed for 10 s, and 7 of 7 files are not searchable: "
        "0.md, 1.md, 2.md, 3.md, 4.md, …. "
        "The ingestion function's log and its dead-letter queue say why."
    )
    assert bench.now == pytest.approx(10, abs=1)


def test_progress_is_told_in_every_stage(bench: Bench) -> None:
    bench.s3.put_object(Bucket="corpus", Key="old.md", Body=b"x")
    bench.write("a.md", "A.")
    bench.write("b.md", "B.")
    bench.sync(wait=True)
    stages = list(dict.fromkeys(each.stage for each in bench.progress))
    assert stages == ["compare", "upload", "remove", "index"]
    uploads = [each for each in bench.progress if each.stage == "upload"]
    assert uploads == [Progress("upload", 1, 2), Progress("upload", 2, 2)]


def test_a_removal_that_was_refused_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("a.md", "Words.")
    bench.sync()
    (bench.folder / "a.md").unlink()
    refused = {"Errors": [{"Key": "a.md", "Code": "AccessDenied", "Message": "Access Denied"}]}
    monkeypatch.setattr(bench.s3, "delete_objects", lambda **_: refused)
    with pytest.raises(CorpusError) as caught:
        bench.sync()
    assert str(caught.value) == (
        "1 documents were not removed, the first of them a.md: AccessDenied: Access Denied"
    )


def test_an_object_that_another_sync_removes_meanwhile_is_passed_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.md", "b.md"):
        bench.write(name, "Words.")
    bench.sync()
    head = bench.s3.head_object

    def head_after_removal(**arguments: str) -> object:
        if arguments["Key"] == "a.md":
            bench.s3.delete_object(**arguments)
        return head(**arguments)

    monkeypatch.setattr(bench.s3, "head_object", head_after_removal)
    report = bench.sync()
    assert (report.uploaded, report.unchanged) == (1, 1)
    assert bench.keys() == ["a.md", "b.md"]


WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


def record(
    *, etag: str = "1", sha256: str = "a", busy: bool = False, written: datetime = WRITTEN
) -> IndexRecord:
    return IndexRecord(etag, sha256, busy, documents=0, errors=(), written=written)


def test_the_same_content_of_another_sync_will_do() -> None:
    assert record(etag="1").is_of(RemoteObject("2", "a"))
    assert not record(etag="1").is_of(RemoteObject("1", "b"))
    assert not record(busy=True).is_of(RemoteObject("1", "a"))


@pytest.mark.parametrize(
    ("version", "lease", "busy"),
    [("1", None, False), ("", None, True), ("1", Lease("owner", 9.0), True)],
)
def test_a_record_of_unfinished_work_is_of_no_object(version: str, lease: Lease | None, busy: bool) -> None:
    """Without a version the work was given up halfway, and the index may hold parts of two versions."""
    content = IndexState(etag="1", sha256="a", version=version, lease=lease).to_json().encode()
    found = IndexRecord.parse("a.md", content, WRITTEN)
    assert found.busy is busy
    assert found.is_of(RemoteObject("1", "a")) is not busy


def test_a_record_that_is_written_again_and_again_is_no_stall(bench: Bench) -> None:
    """As during one long document, whose record stays the same until its last vector."""

    @dataclass
    class Writing:
        reads: int = 0

        def read(self) -> dict[str, IndexRecord]:
            self.reads += 1
            return {"a": record(busy=self.reads < 60, written=WRITTEN + timedelta(seconds=self.reads))}

    def sleep(seconds: float) -> None:
        bench.now += seconds

    clock = Clock(lambda: bench.now, sleep)
    wait_until_indexed({"a": RemoteObject("1", "a")}, Writing(), clock, lambda _: None, stall_seconds=5)
    assert bench.now > 25
