"""Ids of jobs and files. The first twelve digits are the time of creation, so that ids sort by age."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final, Literal

Prefix = Literal["resp_", "file-", "batch_"]

RESPONSE: Final = "resp_"
FILE: Final = "file-"
BATCH: Final = "batch_"

_FORM = re.compile(r"(?:resp_|file-|batch_)[0-9a-f]{32}")
_RANDOM_BYTES = 10


def new_id(prefix: Prefix, now_ms: int) -> str:
    """The prefix and 32 hexadecimal digits: 48 bits of milliseconds since the epoch, 80 random bits."""
    return f"{prefix}{now_ms:012x}{secrets.token_hex(_RANDOM_BYTES)}"


def is_id(text: str, prefix: Prefix) -> bool:
    """Whether `text` has the form of an id of that kind."""
    return text.startswith(prefix) and _FORM.fullmatch(text) is not None


def digits(job_id: str) -> str:
    """The id without its prefix, for names in which `_` is not allowed."""
    return job_id[-32:]


def idempotency_id(key: str) -> str:
    """Sort key of the record that remembers a client's `Idempotency-Key`."""
    return f"idem#{hashlib.sha256(key.encode()).hexdigest()}"


def inference_id(owner: str, response_id: str) -> str:
    """SageMaker's id of an asynchronous invocation; at most 64 characters, so owners have at most 26."""
    return f"{owner}:{response_id}"


def parse_inference_id(text: str) -> tuple[str, str]:
    """Owner and response id. Raises ValueError for an id that `inference_id` did not make."""
    owner, _, response_id = text.partition(":")
    if not owner or not is_id(response_id, RESPONSE):
        raise ValueError(f"{text!r} is no inference id of a response")
    return owner, response_id


def transform_job_name(environment: str, batch_id: str, attempt: int) -> str:
    """Name of the transform job of a batch; each attempt, from 0, has its own."""
    return f"twin-{environment}-{digits(batch_id)}-{attempt}"
