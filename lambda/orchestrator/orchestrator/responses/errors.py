"""Why a background response cannot be created now, or at all."""

from __future__ import annotations

from prompting.errors import InvalidRequestError


class BeingSubmittedError(InvalidRequestError):
    """An earlier request with the same Idempotency-Key has not come to its end."""

    status = 409
    code = "request_in_progress"
    message = "A request with this Idempotency-Key is still being worked on. Please try again shortly."
    retryable = True


class RecordTooLargeError(InvalidRequestError):
    """What is kept of the request beside its messages does not fit into a record of the table."""

    status = 413
    code = "request_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The instructions, tools, metadata and sources of a background response take {size:,} bytes; "
            f"at most {limit:,} are kept. Shorten them, or lower 'retrieval.top_k'."
        )
