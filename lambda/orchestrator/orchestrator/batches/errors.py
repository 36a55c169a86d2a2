"""Why a batch cannot be created or cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompting.errors import InvalidRequestError

if TYPE_CHECKING:
    from jobtable.records import Record


class UnusableFileError(InvalidRequestError):
    """The file is there, but no input of a batch."""

    param = "input_file_id"

    def __init__(self, file: Record) -> None:
        super().__init__(
            f"File '{file['id']}' cannot be the input of a batch: its purpose is '{file['purpose']}' and its "
            f"status '{file['status']}', where 'batch' and 'processed' are needed."
        )


class NotCancellableError(InvalidRequestError):
    """The batch has ended."""

    status = 409
    code = "batch_not_cancellable"

    def __init__(self, batch_status: str) -> None:
        super().__init__(f"Cannot cancel a batch with status '{batch_status}'.")
