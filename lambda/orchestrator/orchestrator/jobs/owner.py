"""Whose jobs a request may see: those of its API key."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from prompting.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_CONTEXT = "x-amzn-request-context"
"""Header in which the web adapter passes on API Gateway's request context; it replaces a client's own."""

LOCAL = "local"
"""Owner of all jobs where no API Gateway tells clients apart."""

_OWNER = re.compile(r"[A-Za-z0-9_-]{1,26}")
"""The id is part of keys of objects and, beside a job's id, of SageMaker's inference id of 64 characters."""


def owner(headers: Mapping[str, str]) -> str:
    """Id of the API key that the request was made with.

    Raises ApiError where API Gateway names no key, or one whose id cannot be an owner's.
    """
    context = headers.get(REQUEST_CONTEXT)
    if context is None:
        return LOCAL
    try:
        key_id = json.loads(context)["identity"]["apiKeyId"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError from error
    if not isinstance(key_id, str) or not _OWNER.fullmatch(key_id):
        raise ApiError from ValueError(f"API key id {key_id!r} is not 1 to 26 letters, digits, _ or -")
    return key_id
