"""S3 as the services use it from inside the process: whole objects, and large ones read as files."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from twin.local.services.identity import Identity


class ObjectsError(Exception):
    """S3 refused a write; the text has its error code."""


class Objects(Protocol):
    """Objects of S3. Keys are whole, without a leading slash."""

    def get(self, bucket: str, key: str) -> bytes | None:
        """An object's content, or None when there is no such object or bucket."""

    def open(self, bucket: str, key: str) -> BinaryIO | None:
        """An object as a file, for reading it line by line; close it. None when there is none."""

    def put(self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None) -> None:
        """Write an object, encrypted with `kms_key` or as the bucket's default says; raises ObjectsError."""

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; nothing happens when there is none."""

    def list(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        """Keys below a prefix in ascending order, each with the object's size in bytes."""


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key (empty for a whole bucket) of `s3://bucket/key`; ValueError for anything else."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        message = f"not an S3 address: {uri!r}; expected s3://bucket/key"
        raise ValueError(message)
    return bucket, key


class EmulatedObjects:
    """MiniStack's S3, in the same process. Writes go the way of PutObject: encrypted, persisted, notified."""

    def __init__(self, identity: Identity | None = None) -> None:
        self._identity = identity or Identity()

    def get(self, bucket: str, key: str) -> bytes | None:
        with self._scope():
            body: bytes | None = self._s3._get_object_data(bucket, key)
        return body

    def open(self, bucket: str, key: str) -> BinaryIO | None:
        with self._scope():
            record = (self._s3._buckets.get(bucket) or {}).get("objects", {}).get(key)
            if record is None:
                return None
            path = self._s3._object_disk_path(bucket, key) if record.get("body") is None else None
            if path is not None and Path(path).exists():
                return Path(path).open("rb")
            return io.BytesIO(self._s3._get_object_data(bucket, key) or b"")

    def put(self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None) -> None:
        headers = {"content-type": content_type}
        if kms_key is not None:
            headers["x-amz-server-side-encryption"] = "aws:kms"
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = kms_key
        with self._scope():
            status, _, answer = self._s3._put_object(bucket, key, body, headers)
        if status >= 400:
            message = f"S3 refused s3://{bucket}/{key} (HTTP {status}): {answer.decode(errors='replace')}"
            raise ObjectsError(message)

    def delete(self, bucket: str, key: str) -> None:
        with self._scope():
            self._s3._delete_object(bucket, key)

    def list(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        with self._scope():
            records = (self._s3._buckets.get(bucket) or {}).get("objects", {})
            return sorted(
                (key, int(record["size"])) for key, record in list(records.items()) if key.startswith(prefix)
            )

    @property
    def _s3(self) -> Any:
        """MiniStack's module; it reads its settings when it is imported, so that happens on first use."""
        return import_module("ministack.services.s3")

    def _scope(self) -> Any:
        responses: Any = import_module("ministack.core.responses")
        return responses.request_scope(self._identity.account, self._identity.region)
