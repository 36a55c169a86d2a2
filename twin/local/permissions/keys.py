"""KMS keys that the local cloud's resources are encrypted with."""

from __future__ import annotations

import re
from typing import Any

from twin.local.emulator import Emulator

_BUCKET_KEY = re.compile(r"<KMSMasterKeyID>\s*(.*?)\s*</KMSMasterKeyID>")


class EncryptionKeys:
    """Looks keys up in MiniStack's records and in those of S3 Vectors."""

    def __init__(self, emulator: Emulator, vectors: Any) -> None:
        self._emulator = emulator
        self._vectors = vectors

    def of_bucket(self, name: str) -> str | None:
        """Default key of an S3 bucket."""
        configuration = self._emulator.objects._bucket_encryption.get(name) or ""
        match = _BUCKET_KEY.search(configuration)
        return self._arn(match.group(1)) if match else None

    def of_queue(self, url: str) -> str | None:
        """Key of an SQS queue."""
        queue = self._emulator.queues._queues.get(url) or {}
        return self._arn((queue.get("attributes") or {}).get("KmsMasterKeyId"))

    def of_index(self, arn: str) -> str | None:
        """Key of a vector index."""
        for index in self._vectors.indexes.values():
            if index["indexArn"] == arn:
                key: str | None = index["encryptionConfiguration"].get("kmsKeyArn")
                return key
        return None

    def _arn(self, identifier: str | None) -> str | None:
        """A key's ARN from its id, alias or ARN; None for a key that AWS manages."""
        record = self._emulator.keys._resolve_key(identifier)
        return None if record is None else str(record["Arn"])
