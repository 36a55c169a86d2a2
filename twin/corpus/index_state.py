"""The records in which the ingestion function notes what of each object is searchable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stacks.naming import INDEX_STATE_PREFIX
from twin.corpus.bucket import RemoteObject, in_parallel
from twin.corpus.report import DocumentError

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """What is known of one object; `busy` while the function is working on it, or has to go on."""

    etag: str
    sha256: str
    busy: bool
    documents: int
    """Documents that are searchable."""
    errors: tuple[DocumentError, ...]
    written: datetime
    """When the function wrote it last, which it does after every batch of vectors, also within a document."""

    @classmethod
    def parse(cls, key: str, content: bytes, written: datetime) -> IndexRecord:
        values: dict[str, Any] = json.loads(content)
        return cls(
            etag=values["etag"],
            sha256=values["sha256"],
            busy=values["lease"] is not None or not values["version"],
            documents=sum(1 for each in values["documents"].values() if each["sha256"]),
            errors=tuple(
                DocumentError(key, each["reason"], each["document"], each["line"])
                for each in values["errors"]
            ),
            written=written,
        )

    def is_of(self, expected: RemoteObject | None) -> bool:
        """Whether the index has this object, or, for None, nothing of it."""
        if self.busy:
            return False
        if expected is None:
            return not self.etag
        # Two syncs of one folder at once upload the same content under two ETags, since S3's depend on the
        # encryption. Only one of them is indexed, and it will do for both.
        if expected.sha256 is not None:
            return self.sha256 == expected.sha256
        return self.etag == expected.etag


class IndexRecords:
    """Reads the records of the exchange bucket, each one again only when it has changed."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._versions: dict[str, tuple[str, datetime]] = {}
        self._records: dict[str, IndexRecord] = {}

    def read(self) -> Mapping[str, IndexRecord]:
        """Records by the key of the corpus object."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=INDEX_STATE_PREFIX
        )
        listed = {
            _object_key(each["Key"]): (each["ETag"], each["LastModified"])
            for page in pages
            for each in page.get("Contents", ())
        }
        changed = [key for key, version in listed.items() if self._versions.get(key) != version]
        self._records.update(in_parallel(self._read_one, changed))
        self._versions = listed
        return {key: self._records[key] for key in listed}

    def _read_one(self, key: str) -> IndexRecord:
        name = f"{INDEX_STATE_PREFIX}{key}{_SUFFIX}"
        answer = self._s3.get_object(Bucket=self._bucket, Key=name)
        return IndexRecord.parse(key, answer["Body"].read(), answer["LastModified"])


def _object_key(state_key: str) -> str:
    return state_key.removeprefix(INDEX_STATE_PREFIX).removesuffix(_SUFFIX)
