"""Objects of the exchange bucket in S3, read and written in pieces."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from batch.stores import ObjectChangedError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 256 * 1024
"""What is read of an object at once."""

PART_BYTES = 5 * 1024 * 1024
"""What is kept until it is sent: the least that S3 takes as a part, of which an object has 10,000."""

READ_ATTEMPTS = 5
"""Connections that may break one after another without having brought a byte."""

CONTENT_TYPE = "application/jsonl"
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_CHANGED = frozenset({"412", "PreconditionFailed"})


class S3Objects:
    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str) -> S3Content | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return S3Content(self._s3, self._bucket, key, answer)

    @contextmanager
    def writer(self, key: str) -> Iterator[S3Writer]:
        writer = S3Writer(self._s3, self._bucket, key)
        try:
            yield writer
            writer.finish()
        except BaseException:  # also one that ends the function
            # What cannot be removed now, the bucket's lifecycle removes.
            with suppress(BotoCoreError, ClientError):
                writer.abort()
            raise

    def size(self, key: str) -> int | None:
        try:
            length: int = self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return length

    def keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=key)


class S3Content:
    """A connection that breaks, or that S3 closes while other work is done, is opened again where it was."""

    def __init__(self, s3: Any, bucket: str, key: str, answer: dict[str, Any]) -> None:
        self._s3 = s3
        self._object = {"Bucket": bucket, "Key": key, "IfMatch": answer["ETag"]}
        self._body = answer["Body"]
        self.size: int = answer["ContentLength"]
        self.etag: str = answer["ETag"]

    def chunks(self) -> Iterator[bytes]:
        position, failures = 0, 0
        try:
            while position < self.size:
                try:
                    chunk = self._read(position)
                except (HTTPClientError, IncompleteReadError, OSError):
                    failures += 1
                    if failures == READ_ATTEMPTS:
                        raise
                    self._reopen(position)
                    continue
                failures = 0
                position += len(chunk)
                yield chunk
        finally:
            self._body.close()

    def _read(self, position: int) -> bytes:
        chunk: bytes = self._body.read(CHUNK_BYTES)
        if not chunk:
            raise IncompleteReadError(actual_bytes=position, expected_bytes=self.size)
        return chunk

    def _reopen(self, position: int) -> None:
        self._body.close()
        try:
            self._body = self._s3.get_object(**self._object, Range=f"bytes={position}-")["Body"]
        except ClientError as error:
            if _code(error) in _ABSENT | _CHANGED:
                raise ObjectChangedError(self._object["Key"]) from error
            raise


class S3Writer:
    """One request for a short object, a multipart upload for a long one."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        self._object = {"Bucket": bucket, "Key": key}
        self._kept = bytearray()
        self._upload: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) >= PART_BYTES:
            self._send_part()

    def finish(self) -> None:
        if self._upload:
            if self._kept:
                self._send_part()
            self._s3.complete_multipart_upload(
                **self._object, **self._upload, MultipartUpload={"Parts": self._parts}
            )
        elif self._kept:
            self._s3.put_object(**self._object, Body=bytes(self._kept), ContentType=CONTENT_TYPE)
        else:
            self._s3.delete_object(**self._object)

    def abort(self) -> None:
        if self._upload:
            self._s3.abort_multipart_upload(**self._object, **self._upload)

    def _send_part(self) -> None:
        if not self._upload:
            started = self._s3.create_multipart_upload(**self._object, ContentType=CONTENT_TYPE)
            self._upload = {"UploadId": started["UploadId"]}
        number = len(self._parts) + 1
        answer = self._s3.upload_part(
            **self._object, **self._upload, PartNumber=number, Body=bytes(self._kept)
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._kept.clear()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
