"""Objects in S3: parts of a long one, and connections that break."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from batch import s3
from batch.s3 import READ_ATTEMPTS, S3Objects
from batch.stores import ObjectChangedError
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError

MEGABYTE = 1_000_000


class Uploads:
    """What S3 is asked to write; contents are counted, not kept."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[..., dict[str, str]]:
        def call(**arguments: Any) -> dict[str, str]:
            self.calls.append((name, len(arguments.get("Body", ""))))
            return {"UploadId": "u", "ETag": "e"}

        return call


def write(uploads: Any, pieces: int, size: int, *, fail: bool = False) -> None:
    with S3Objects(uploads, "exchange").writer("k") as writer:
        for _ in range(pieces):
            writer.write(b"x" * size)
        if fail:
            raise KeyError


def test_a_long_object_is_sent_in_parts_of_at_least_5_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads()
    write(uploads, 12, MEGABYTE)
    assert uploads.calls == [
        ("create_multipart_upload", 0),
        ("upload_part", 6 * MEGABYTE),
        ("upload_part", 6 * MEGABYTE),
        ("complete_multipart_upload", 0),
    ]
    assert s3.PART_BYTES == 5 * 1024 * 1024


def test_a_short_object_is_one_request_and_an_empty_one_none_but_its_removal() -> None:
    uploads = Uploads()
    write(uploads, 3, 10)
    write(uploads, 0, 0)
    assert uploads.calls == [("put_object", 30), ("delete_object", 0)]


@pytest.mark.parametrize(("size", "calls"), [(10, []), (6 * MEGABYTE, ["abort_multipart_upload"])])
def test_an_object_whose_writing_fails_is_abandoned(size: int, calls: list[str]) -> None:
    uploads = Uploads()
    with pytest.raises(KeyError):
        write(uploads, 1, size, fail=True)
    assert [name for name, _ in uploads.calls if not name.startswith(("create", "upload"))] == calls


def test_the_failure_is_told_even_if_abandoning_fails_too() -> None:
    class Failing(Uploads):
        def abort_multipart_upload(self, **arguments: Any) -> None:
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")

    with pytest.raises(KeyError):
        write(Failing(), 1, 6 * MEGABYTE, fail=True)


def test_writing_takes_no_more_memory_for_longer_objects() -> None:
    def peak(pieces: int) -> int:
        tracemalloc.start()
        try:
            write(Uploads(), pieces, 100_000)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(1000) <= 1.1 * peak(200)


class Breaking(io.BytesIO):
    """A body that breaks after some bytes: with an exception, or by ending."""

    def __init__(self, data: bytes, after: int, failure: Exception | None) -> None:
        super().__init__(data[:after])
        self._whole = after >= len(data)
        self._failure = failure

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        if not chunk and not self._whole and self._failure is not None:
            raise self._failure
        return chunk


class Downloads:
    """An object whose connections break, each after so many bytes."""

    def __init__(self, data: bytes, breaks: list[int], failure: Exception | None) -> None:
        self._data = data
        self._breaks = breaks
        self._failure = failure
        self.ranges: list[str] = []
        self.etag = "1"

    def get_object(self, **asked: Any) -> dict[str, Any]:
        if asked.get("IfMatch", self.etag) != self.etag:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "GetObject")
        if "Range" in asked:
            self.ranges.append(asked["Range"])
        start = int(asked.get("Range", "bytes=0-")[6:-1])
        data = self._data[start:]
        after = self._breaks.pop(0) if self._breaks else len(data)
        return {"Body": Breaking(data, after, self._failure), "ContentLength": len(data), "ETag": self.etag}


FAILURES = [ResponseStreamingError(error="reset"), ConnectionResetError(), None]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_connection_that_breaks_is_opened_again_where_it_was(failure: Exception | None) -> None:
    data = bytes(range(256)) * 4000
    downloads = Downloads(data, [300_000, 0, 5, 400_000], failure)
    content = S3Objects(downloads, "exchange").read("k")
    assert content is not None
    assert b"".join(content.chunks()) == data
    assert downloads.ranges == ["bytes=300000-", "bytes=300000-", "bytes=300005-", "bytes=700005-"]


def test_a_connection_that_brings_nothing_is_given_up() -> None:
    downloads = Downloads(b"data", [0] * 9, None)
    content = S3Objects(downloads, "exchange").read("k")
    assert content is not None
    with pytest.raises(IncompleteReadError):
        list(content.chunks())
    assert len(downloads.ranges) == READ_ATTEMPTS - 1


def test_an_object_that_is_replaced_meanwhile_is_not_mixed() -> None:
    downloads = Downloads(b"x" * 600_000, [300_000], None)
    content = S3Objects(downloads, "exchange").read("k")
    assert content is not None
    chunks = content.chunks()
    next(chunks)
    downloads.etag = "2"
    with pytest.raises(ObjectChangedError, match="k"):
        list(chunks)
