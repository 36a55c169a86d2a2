"""Creating and cancelling batches.

Each change is stored first and acted upon second, and acting twice is as good as once: whoever dies in
between leaves a record from which the sweeper goes on.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from jobtable import ids, states

from orchestrator.batches.errors import NotCancellableError, UnusableFileError
from orchestrator.batches.requests import COMPLETION_WINDOW, ENDPOINT, parse_batch_request
from orchestrator.files.files import PROCESSED, not_uploaded
from orchestrator.files.requests import PURPOSE
from orchestrator.jobs.errors import (
    JobsUnavailableError,
    NotFoundError,
    RecordChangedError,
    RecordExistsError,
)
from orchestrator.jobs.idempotency import first_job, idempotency_record
from orchestrator.jobs.listing import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobtable.records import Record

    from orchestrator.environment import Environment
    from orchestrator.files.files import Files
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.jobs.listing import Listing
    from orchestrator.telemetry import Record as RequestRecord

WINDOW_SECONDS = 86_400
FIRST_LOOK_SECONDS = 60
"""When the sweeper first looks at a batch, in seconds after its creation."""

TRANSFORM_ATTEMPTS = 3
"""How many transform jobs the state machine creates at most."""

_DAY = 86_400
_CANCELLABLE = frozenset({states.VALIDATING, states.IN_PROGRESS, states.FINALIZING})
_STAYS = frozenset({states.COMPLETED, states.FAILED, states.EXPIRED})


class Batches:
    """The batches of each owner. Every method may raise `JobsUnavailableError`."""

    def __init__(
        self,
        environment: Environment,
        adapters: JobAdapters,
        files: Files,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._environment = environment
        self._adapters = adapters
        self._files = files
        self._now_ms = now_ms

    async def create(self, owner: str, body: bytes, key: str | None, about: RequestRecord) -> Record:
        """Store a batch and start it; with a key that was used before, return the first one.

        A batch that was stored is accepted: the sweeper starts what could not be started. Raises
        `InvalidRequestError`.
        """
        request = parse_batch_request(body)
        if key and (known := await self._known(owner, key, body)):
            return await self._started(known, about)
        await self._check_file(owner, request.input_file_id)
        batch = self._record(owner, request.input_file_id, request.metadata)
        new = [batch]
        if key:
            new.append(idempotency_record(owner, key, body, batch["id"], batch["created_at"]))
        try:
            await self._store(*new)
        except RecordExistsError:
            known = await self._known(owner, key, body) if key else None
            if known is None:
                raise
            batch = known
        return await self._started(batch, about)

    async def get(self, owner: str, batch_id: str) -> Record:
        """Raises `NotFoundError`."""
        is_one = ids.is_id(batch_id, ids.BATCH)
        record = await self._adapters.table.get(owner, batch_id) if is_one else None
        if record is None:
            raise NotFoundError("batch", batch_id)
        return record

    async def page(self, owner: str, listing: Listing) -> dict[str, Any]:
        return await listed(self._adapters.table, owner, ids.BATCH, listing, to_object=batch_object)

    async def cancel(self, owner: str, batch_id: str, about: RequestRecord) -> Record:
        """Ask the batch to end, and stop its transform job; what the sweeper then repeats until it has ended.

        Raises `NotFoundError` and `NotCancellableError`.
        """
        fields = {"status": states.CANCELLING, "cancelling_at": self._now_ms() // 1000}
        await self.get(owner, batch_id)
        try:
            batch = await self._adapters.table.change(owner, batch_id, allowed=_CANCELLABLE, fields=fields)
        except RecordChangedError:
            batch = await self.get(owner, batch_id)
        if batch["status"] in _STAYS:
            raise NotCancellableError(batch["status"])
        if batch["status"] == states.CANCELLING:
            await self._stop(batch_id, about)
        return batch

    async def _store(self, batch: Record, *beside: Record) -> None:
        """Write the new records, or raise `RecordExistsError`, or `JobsUnavailableError` if none is there."""
        try:
            await self._adapters.table.put_new(batch, *beside)
        except JobsUnavailableError:
            if await self._adapters.table.get(batch["owner"], batch["id"]) is None:
                raise

    async def _known(self, owner: str, key: str, body: bytes) -> Record | None:
        """The batch that the key was first used for."""
        now = self._now_ms() // 1000
        batch_id = await first_job(self._adapters.table, owner, key, body, ids.BATCH, now)
        return None if batch_id is None else await self.get(owner, batch_id)

    async def _check_file(self, owner: str, file_id: str) -> None:
        try:
            record = await self._files.get(owner, file_id)
        except NotFoundError as error:
            error.param = "input_file_id"
            raise
        if record.get("pending"):
            raise not_uploaded(file_id, param="input_file_id")
        if record["purpose"] != PURPOSE or record["status"] != PROCESSED:
            raise UnusableFileError(record)

    def _record(self, owner: str, input_file_id: str, metadata: dict[str, str] | None) -> Record:
        now_ms = self._now_ms()
        created_at = now_ms // 1000
        return {
            "owner": owner,
            "id": ids.new_id(ids.BATCH, now_ms),
            "status": states.VALIDATING,
            "endpoint": ENDPOINT,
            "completion_window": COMPLETION_WINDOW,
            "input_file_id": input_file_id,
            "model": self._environment.model_id,
            "created_at": created_at,
            "expires_at": created_at + WINDOW_SECONDS,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": metadata,
            "open": "batch",
            "due_at": created_at + FIRST_LOOK_SECONDS,
            "delete_at": created_at + (self._environment.job_retention_days or 0) * _DAY,
            "client": self._environment.webhook_clients.get(owner),
        }

    async def _started(self, batch: Record, about: RequestRecord) -> Record:
        if batch["status"] == states.VALIDATING:
            value = {"owner": batch["owner"], "batch_id": batch["id"]}
            try:
                await self._adapters.state_machine.start(ids.digits(batch["id"]), value)
            except JobsUnavailableError as error:
                about.note(error)
        return batch

    async def _stop(self, batch_id: str, about: RequestRecord) -> None:
        name = self._environment.twin_environment
        jobs = [ids.transform_job_name(name, batch_id, attempt) for attempt in range(TRANSFORM_ATTEMPTS)]
        outcomes = await asyncio.gather(
            *map(self._adapters.transform_jobs.stop, jobs), return_exceptions=True
        )
        for failure in outcomes:
            if isinstance(failure, JobsUnavailableError):
                about.note(failure)
            elif failure is not None:
                raise failure


_SHOWN = (
    "id",
    "endpoint",
    "model",
    "input_file_id",
    "completion_window",
    "status",
    "output_file_id",
    "error_file_id",
    "created_at",
    "in_progress_at",
    "expires_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
    "request_counts",
    "usage",
    "metadata",
)


def batch_object(record: Record) -> dict[str, Any]:
    """The batch in OpenAI's form."""
    errors = record.get("errors")
    return {
        "object": "batch",
        **{name: record.get(name) for name in _SHOWN},
        "errors": {"object": "list", "data": errors} if errors else None,
    }
