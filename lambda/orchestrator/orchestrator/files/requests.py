"""What clients send to `/v1/files`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompting.errors import InvalidRequestError

from orchestrator.files.errors import MAX_FILE_BYTES, FileTooLargeError
from orchestrator.jobs.listing import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

PURPOSE = "batch"
PURPOSES = ("batch", "batch_output")

MAX_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Announcement:
    """A file that is to be uploaded to an address of its own: its name, and its exact length in bytes."""

    filename: str
    bytes: int


def check_fields(fields: Mapping[str, Any], *, beside: frozenset[str] = frozenset()) -> None:
    """Raise `InvalidRequestError` unless `purpose` is `batch` and no field but those `beside` is there."""
    for name in fields:
        if name.startswith("expires_after"):
            message = (
                "Unsupported parameter: 'expires_after' is not supported; all files are kept equally long."
            )
            raise InvalidRequestError(message, param="expires_after", code="unsupported_parameter")
    refuse_unknown(fields, beside | {"purpose"})
    if "purpose" not in fields:
        raise missing("purpose")
    if fields["purpose"] != PURPOSE:
        message = f"Invalid value for 'purpose': only '{PURPOSE}' is supported here."
        raise InvalidRequestError(message, param="purpose")


def parse_announcement(body: Mapping[str, Any]) -> Announcement:
    """Raises `InvalidRequestError`, and `FileTooLargeError` above `MAX_FILE_BYTES`."""
    check_fields(body, beside=frozenset({"filename", "bytes"}))
    for name in ("filename", "bytes"):
        if body.get(name) is None:
            raise missing(name)
    size = body["bytes"]
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        message = "Invalid value for 'bytes': expected a whole number of at least 1."
        raise InvalidRequestError(message, param="bytes")
    if size > MAX_FILE_BYTES:
        raise FileTooLargeError(f"A file may have {MAX_FILE_BYTES:,} bytes at most.", param="bytes")
    if not isinstance(body["filename"], str):
        message = "Invalid type for 'filename': expected a string."
        raise InvalidRequestError(message, param="filename", code="invalid_type")
    return Announcement(check_filename(body["filename"], "filename"), size)


def check_filename(name: str, param: str) -> str:
    """Return the name without folders. Raises `InvalidRequestError`."""
    name = name.replace("\\", "/").rpartition("/")[2]
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        message = f"Invalid file name: expected 1 to {MAX_NAME_LENGTH} printable characters."
        raise InvalidRequestError(message, param=param)
    return name


def parse_purpose(query: Mapping[str, str]) -> str | None:
    """The query parameter `purpose` of a list. Raises `InvalidRequestError`."""
    purpose = query.get("purpose")
    if purpose is not None and purpose not in PURPOSES:
        message = "Invalid value for 'purpose': expected 'batch' or 'batch_output'."
        raise InvalidRequestError(message, param="purpose")
    return purpose


def missing(name: str) -> InvalidRequestError:
    message = f"Missing required parameter: '{name}'."
    return InvalidRequestError(message, param=name, code="missing_required_parameter")
