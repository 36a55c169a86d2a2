"""Messages of a queue, each of which may fail alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.utilities.batch import EventType


class Messages(BatchProcessor):
    """Logs why a message failed; it returns to the queue, and after its last try goes to the dead letters."""

    def __init__(self, event_type: EventType, logger: Logger) -> None:
        super().__init__(event_type, raise_on_entire_batch_failure=False)
        self._logger = logger

    def failure_handler(self, record: Any, exception: Any) -> Any:
        self._logger.error("message failed", exc_info=exception, message_id=record.message_id)
        return super().failure_handler(record, exception)
