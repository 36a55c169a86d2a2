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
        return self.arn(match.group(1)) if match else None

    def of_queue(self, url: str) -> str | None:
        """Key of an SQS queue."""
        queue = self._emulator.queues._queues.get(url) or {}
        return self.arn((queue.get("attributes") or {}).get("KmsMasterKeyId"))

    def of_topic(self, arn: str) -> str | None:
        """Key of an SNS topic."""
        topic = self._emulator.topics._topics.get(arn) or {}
        return self.arn((topic.get("attributes") or {}).get("KmsMasterKeyId"))

    def of_table(self, name: str) -> str | None:
        """Key of a DynamoDB table, by its name or ARN."""
        table = self._emulator.tables._tables.get(name.rpartition("/")[2]) or {}
        return self.arn((table.get("SSEDescription") or {}).get("KMSMasterKeyArn"))

    def of_secret(self, identifier: str) -> str | None:
        """Key of a secret, by its name or ARN."""
        _, secret = self._emulator.secrets._resolve(identifier)
        return self.arn((secret or {}).get("KmsKeyId"))

    def of_index(self, arn: str) -> str | None:
        """Key of a vector index."""
        for index in self._vectors.indexes.values():
            if index["indexArn"] == arn:
                key: str | None = index["encryptionConfiguration"].get("kmsKeyArn")
                return key
        return None

    def arn(self, identifier: str | None) -> str | None:
        """A key's ARN from its id, alias or ARN; None for a key that AWS manages."""
        record = self._emulator.keys._resolve_key(identifier)
        return None if record is None else str(record["Arn"])
