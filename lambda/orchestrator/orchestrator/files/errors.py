"""What is wrong with a file."""

from __future__ import annotations

from prompting.errors import InvalidRequestError

MAX_UPLOAD_BYTES = 4 * 1024 * 1024
"""Largest file within a request: Lambda takes 6 MB, of which base64 leaves three quarters."""

MAX_FILE_BYTES = 200_000_000
"""Largest file."""


class FileTooLargeError(InvalidRequestError):
    """The file does not fit in a request, or not in a batch."""

    status = 413
    code = "file_too_large"
    param = "file"
    message = (
        f"The file is larger than {MAX_UPLOAD_BYTES:,} bytes, the most that a request can carry. "
        'Post {"purpose": "batch", "filename": "…", "bytes": …} as application/json to this route instead, '
        "then PUT the content to the 'upload.url' of the answer: "
        f"such a file may have {MAX_FILE_BYTES:,} bytes."
    )


class MalformedFormError(InvalidRequestError):
    """The body is no multipart form with one file."""

    code = "invalid_multipart"
    message = "The request's body is not a valid multipart form."


class InvalidFileError(InvalidRequestError):
    """The file's content is no list of JSON objects, one on each line."""

    code = "invalid_file"
    param = "file"
