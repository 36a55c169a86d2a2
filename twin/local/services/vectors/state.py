"""Vector buckets and indexes, kept across restarts."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from twin.local.services.identity import Identity
from twin.local.services.storage import Database, Record
from twin.local.services.vectors.errors import conflict, not_found
from twin.local.services.vectors.index import Vector, VectorIndex

NewVector = tuple[str, Vector, Mapping[str, Any] | None]


class VectorsState:
    """What the service knows. Records keep the API's own field names."""

    def __init__(
        self, database: Database, identity: Identity | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.identity = identity or Identity()
        self.clock = clock
        self.buckets = database.records("s3vectors.bucket")
        self.indexes = database.records("s3vectors.index")
        self._connection = database.connection
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors "
            "(index_id TEXT, key TEXT, data BLOB, metadata TEXT, PRIMARY KEY (index_id, key)) WITHOUT ROWID"
        )
        self._loaded: dict[str, VectorIndex] = {}

    def bucket_arn(self, bucket: str) -> str:
        return self.identity.arn("s3vectors", f"bucket/{bucket}")

    def index_arn(self, bucket: str, index: str) -> str:
        return f"{self.bucket_arn(bucket)}/index/{index}"

    def create_bucket(self, name: str, fields: Record) -> Record:
        if name in self.buckets:
            raise conflict("A vector bucket with the specified name already exists")
        record = {
            "vectorBucketName": name,
            "vectorBucketArn": self.bucket_arn(name),
            "creationTime": self.clock(),
            **fields,
        }
        self.buckets[name] = record
        return record

    def bucket(self, name: str) -> Record:
        if name not in self.buckets:
            raise not_found("vector bucket", name)
        return self.buckets[name]

    def delete_bucket(self, name: str) -> None:
        self.bucket(name)
        if any(True for _ in self.indexes_of(name)):
            raise conflict("The specified vector bucket is not empty")
        del self.buckets[name]

    def indexes_of(self, bucket: str) -> Iterable[Record]:
        return (record for record in self.indexes.values() if record["vectorBucketName"] == bucket)

    def create_index(self, bucket: str, name: str, fields: Record) -> Record:
        owner = self.bucket(bucket)
        if f"{bucket}/{name}" in self.indexes:
            raise conflict("An index with the specified name already exists")
        inherited = {"encryptionConfiguration": owner["encryptionConfiguration"], "indexMode": "CLASSIC"}
        record = {
            "vectorBucketName": bucket,
            "indexName": name,
            "indexArn": self.index_arn(bucket, name),
            "creationTime": self.clock(),
            "id": uuid.uuid4().hex,
            **inherited,
            **fields,
        }
        self.indexes[f"{bucket}/{name}"] = record
        return record

    def index(self, bucket: str, name: str) -> Record:
        self.bucket(bucket)
        if f"{bucket}/{name}" not in self.indexes:
            raise not_found("index", name)
        return self.indexes[f"{bucket}/{name}"]

    def delete_index(self, bucket: str, name: str) -> None:
        record = self.index(bucket, name)
        del self.indexes[f"{bucket}/{name}"]
        self._loaded.pop(record["id"], None)
        self._connection.execute("DELETE FROM vectors WHERE index_id = ?", (record["id"],))

    def vectors(self, record: Record) -> VectorIndex:
        """The vectors of an index, read from disk on first use."""
        loaded = self._loaded.get(record["id"])
        if loaded is None:
            loaded = VectorIndex(record["dimension"], record["distanceMetric"])
            rows = self._connection.execute(
                "SELECT key, data, metadata FROM vectors WHERE index_id = ?", (record["id"],)
            )
            for key, data, metadata in rows:
                loaded.put(key, np.frombuffer(data, dtype=np.float32), json.loads(metadata))
            self._loaded[record["id"]] = loaded
        return loaded

    def put_vectors(self, record: Record, vectors: Iterable[NewVector]) -> None:
        """Store vectors, all or none."""
        index = self.vectors(record)
        batch = list(vectors)
        rows = ((record["id"], key, data.tobytes(), json.dumps(metadata)) for key, data, metadata in batch)
        self._write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
        for key, data, metadata in batch:
            index.put(key, data, metadata)

    def delete_vectors(self, record: Record, keys: Iterable[str]) -> None:
        """Remove vectors; keys that are not there are passed over."""
        index = self.vectors(record)
        present = [key for key in keys if index.delete(key)]
        rows = ((record["id"], key) for key in present)
        self._write("DELETE FROM vectors WHERE index_id = ? AND key = ?", rows)

    def _write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")
