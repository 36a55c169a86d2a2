"""The records in which the ingestion function notes what of each object is searchable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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

    @classmethod
    def parse(cls, key: str, content: bytes) -> IndexRecord:
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
        )

    def is_of(self, expected: RemoteObject | None) -> bool:
        """Whether the index has this object, or, for None, nothing of it."""
        if self.busy:
            return False
        if expected is None:
            return not self.etag
        return (self.etag, self.sha256) == (expected.etag, expected.sha256)


class IndexRecords:
    """Reads the records of the exchange bucket, each one again only when it has changed."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._etags: dict[str, str] = {}
        self._records: dict[str, IndexRecord] = {}

    def read(self) -> Mapping[str, IndexRecord]:
        """Records by the key of the corpus object."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=INDEX_STATE_PREFIX
        )
        listed = {
            each["Key"].removeprefix(INDEX_STATE_PREFIX).removesuffix(_SUFFIX): each["ETag"]
            for page in pages
            for each in page.get("Contents", ())
        }
        changed = [key for key, etag in listed.items() if self._etags.get(key) != etag]
        self._records.update(in_parallel(self._read_one, changed))
        self._etags = listed
        return {key: self._records[key] for key in listed}

    def _read_one(self, key: str) -> IndexRecord:
        name = f"{INDEX_STATE_PREFIX}{key}{_SUFFIX}"
        answer = self._s3.get_object(Bucket=self._bucket, Key=name)
        return IndexRecord.parse(key, answer["Body"].read())
