"""What SageMaker says of an asynchronous invocation that ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jobtable import ids, keys

COMPLETED = "Completed"
FAILED = "Failed"
EXPIRED = "Expired"


class UnknownNotificationError(Exception):
    """The message is no notification of SageMaker's, or one about another bucket."""


@dataclass(frozen=True, slots=True)
class Notification:
    """The end of an invocation, and the keys of what it wrote where the notification has them."""

    owner: str
    response_id: str
    status: str
    """`Completed`, `Expired`, or `Failed`, which is everything else."""
    output_key: str | None = None
    failure_key: str | None = None
    reason: str = ""
    """Why the invocation failed, without what the model answered: that may quote the request."""


def parse(body: str, bucket: str) -> Notification:
    """Read a message's body. Raises `UnknownNotificationError`."""
    try:
        message = json.loads(body)
        owner, response_id = ids.parse_inference_id(message["inferenceId"])
        places = message.get("responseParameters") or {}
        return Notification(
            owner,
            response_id,
            _status(message),
            _key(places.get("outputLocation"), bucket, keys.ASYNCHRONOUS_OUTPUT),
            _key(places.get("failureLocation"), bucket, keys.ASYNCHRONOUS_FAILURE),
            _reason(message),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnknownNotificationError(
            f"not a notification of an asynchronous invocation: {type(error).__name__}: {error}"
        ) from error


def _status(message: dict[str, Any]) -> str:
    status = message["invocationStatus"]
    if status in (COMPLETED, EXPIRED):
        return str(status)
    return EXPIRED if "expired" in _reason(message).lower() else FAILED


def _reason(message: dict[str, Any]) -> str:
    return str(message.get("failureReason") or "").partition(" with message")[0][:300]


def _key(location: str | None, bucket: str, prefix: str) -> str | None:
    """The key of an S3 URI. Raises ValueError for another place, where nothing may be read or deleted."""
    if not location:
        return None
    parts = urlsplit(location, allow_fragments=False)
    key = parts.path.removeprefix("/")
    if parts.scheme != "s3" or parts.netloc != bucket or parts.query or not key.startswith(prefix):
        raise ValueError(f"{location} does not lie below s3://{bucket}/{prefix}")
    return key
