"""The S3 event notifications in the messages of the queue."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus


class UnknownEventError(Exception):
    """The message is no S3 event notification, or one of another bucket."""


def object_keys(body: str, bucket: str) -> list[str]:
    """Return the keys, each once, that a message's body tells of.

    There are none in the test event that S3 sends when notifications are set up. Raises
    `UnknownEventError`.
    """
    try:
        event = json.loads(body)
        if event.get("Event") == "s3:TestEvent":
            return []
        return list(dict.fromkeys(_key(record, bucket) for record in event["Records"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnknownEventError(f"not an S3 event notification: {type(error).__name__}: {error}") from error


def _key(record: dict[str, Any], bucket: str) -> str:
    name = record["s3"]["bucket"]["name"]
    if name != bucket:
        raise UnknownEventError(f"the event is of the bucket {name}, expected {bucket}")
    return unquote_plus(record["s3"]["object"]["key"])
