"""S3, SNS and CloudWatch as the services see them, in memory."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO

from twin.local.services.asynchronous import Collaborators
from twin.local.services.objects import ObjectsError


class FakeObjects:
    """Buckets exist when they are named; `content_types` and `kms_keys` tell how objects were written."""

    def __init__(self, *buckets: str) -> None:
        self.buckets = set(buckets)
        self.stored: dict[tuple[str, str], bytes] = {}
        self.content_types: dict[tuple[str, str], str] = {}
        self.kms_keys: dict[tuple[str, str], str | None] = {}

    def get(self, bucket: str, key: str) -> bytes | None:
        return self.stored.get((bucket, key))

    def open(self, bucket: str, key: str) -> BinaryIO | None:
        body = self.get(bucket, key)
        return None if body is None else io.BytesIO(body)

    def put(self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None) -> None:
        if bucket not in self.buckets:
            message = f"S3 refused s3://{bucket}/{key} (HTTP 404): NoSuchBucket"
            raise ObjectsError(message)
        self.stored[bucket, key] = body
        self.content_types[bucket, key] = content_type
        self.kms_keys[bucket, key] = kms_key

    def delete(self, bucket: str, key: str) -> None:
        self.stored.pop((bucket, key), None)

    def list(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        return sorted(
            (key, len(body))
            for (of_bucket, key), body in self.stored.items()
            if of_bucket == bucket and key.startswith(prefix)
        )


class FakeTopics:
    """Remembers what was published: (topic, message), in order."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Mapping[str, Any]]] = []

    def publish(self, topic_arn: str, message: Mapping[str, Any]) -> None:
        self.published.append((topic_arn, message))

    def of(self, inference_id: str) -> list[Mapping[str, Any]]:
        """The messages about one request."""
        return [message for _, message in self.published if message["inferenceId"] == inference_id]


class FakeAlarms:
    """Alarms with the given actions, on any endpoint; every action unless told otherwise."""

    def __init__(self, *, attached: bool = True) -> None:
        self.attached = attached

    def trigger(self, action_arn: str, metric: str, endpoint: str) -> bool:
        return self.attached and metric == "HasBacklogWithoutCapacity"


def collaborators(*buckets: str, alarms: bool = True) -> Collaborators:
    """Fakes, with these buckets."""
    return Collaborators(FakeObjects(*buckets), FakeTopics(), FakeAlarms(attached=alarms))
