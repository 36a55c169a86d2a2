"""The jobs table."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Protocol

from jobtable import records

from orchestrator.aws.client import AwsConnectionError, AwsError
from orchestrator.jobs.errors import JobsUnavailableError, RecordChangedError, RecordExistsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jobtable.records import Record

    from orchestrator.aws.json_service import JsonService

TARGET = "DynamoDB_20120810"

ATTEMPTS = 6
"""How often a request is tried that another one on the same record was in the way of."""

BACKOFF_SECONDS = 0.02

_CONDITION_FAILED = "ConditionalCheckFailedException"
_CANCELLED = "TransactionCanceledException"
_CONFLICT = "TransactionConflictException"


class JobsTable(Protocol):
    """Each method raises `JobsUnavailableError`; after that, a change may have been made or not."""

    async def get(self, owner: str, record_id: str) -> Record | None:
        """Return the record as it is now."""
        ...

    async def put_new(self, *new: Mapping[str, Any]) -> None:
        """Write all of the records, or none of them. Raises `RecordExistsError`.

        A record that exists but whose `delete_at` has passed is not in the way.
        """
        ...

    async def change(
        self,
        owner: str,
        record_id: str,
        *,
        allowed: Collection[str],
        fields: Mapping[str, Any],
        absent: str | None = None,
        equal: Mapping[str, Any] | None = None,
    ) -> Record:
        """Set the fields of a record whose status is allowed, which lacks `absent`, and has all of `equal`.

        Returns the whole record. Raises `RecordChangedError`.
        """
        ...

    async def delete(self, owner: str, record_id: str) -> Record | None:
        """Remove the record; return what it was."""
        ...

    async def delete_together(self, owner: str, *record_ids: str) -> None:
        """Remove all of the records, or none of them; one that does not exist is no error."""
        ...

    async def page(
        self, owner: str, prefix: str, *, after: str | None, limit: int, newest_first: bool = True
    ) -> list[Record]:
        """Records of a kind by age, those behind the id `after`.

        One more than `limit` comes back where there are more.
        """
        ...


class DynamoDbTable:
    """The table in DynamoDB."""

    def __init__(self, service: JsonService, table: str, *, backoff_seconds: float = BACKOFF_SECONDS) -> None:
        self._service = service
        self._table = table
        self._backoff_seconds = backoff_seconds

    async def get(self, owner: str, record_id: str) -> Record | None:
        answer = await self._read("GetItem", records.get(self._table, owner, record_id))
        return records.from_item(answer["Item"]) if "Item" in answer else None

    async def put_new(self, *new: Mapping[str, Any]) -> None:
        if len(new) == 1:
            operation, request = "PutItem", records.put_new(self._table, new[0])
        else:
            operation, request = "TransactWriteItems", records.put_together(self._table, *new)
        try:
            await self._write(operation, request)
        except _ConditionFailedError as error:
            raise RecordExistsError from error

    async def change(
        self,
        owner: str,
        record_id: str,
        *,
        allowed: Collection[str],
        fields: Mapping[str, Any],
        absent: str | None = None,
        equal: Mapping[str, Any] | None = None,
    ) -> Record:
        request = records.change(
            self._table, owner, record_id, allowed=allowed, fields=fields, absent=absent, equal=equal
        )
        try:
            answer = await self._write("UpdateItem", request)
        except _ConditionFailedError as error:
            raise RecordChangedError from error
        return records.from_item(answer["Attributes"])

    async def delete(self, owner: str, record_id: str) -> Record | None:
        answer = await self._write("DeleteItem", records.delete(self._table, owner, record_id))
        return records.from_item(answer["Attributes"]) if answer.get("Attributes") else None

    async def delete_together(self, owner: str, *record_ids: str) -> None:
        await self._write("TransactWriteItems", records.delete_together(self._table, owner, *record_ids))

    async def page(
        self, owner: str, prefix: str, *, after: str | None, limit: int, newest_first: bool = True
    ) -> list[Record]:
        request = records.page(
            self._table, owner, prefix, after=after, limit=limit, newest_first=newest_first
        )
        answer = await self._read("Query", request)
        return [records.from_item(item) for item in answer["Items"]]

    async def _read(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Reading may be repeated, so one failure is let pass."""
        try:
            return await self._service.call(operation, request)
        except (AwsError, AwsConnectionError):
            await self._pause()
        try:
            return await self._service.call(operation, request)
        except (AwsError, AwsConnectionError) as error:
            raise JobsUnavailableError from error

    async def _write(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._service.call(operation, request)
            except AwsConnectionError as error:
                raise JobsUnavailableError from error
            except AwsError as error:
                causes = _causes(error)
                if _CONDITION_FAILED in causes:
                    raise _ConditionFailedError from error
                if _CONFLICT not in causes or attempt == ATTEMPTS:
                    raise JobsUnavailableError from error
            await self._pause()
        raise AssertionError

    async def _pause(self) -> None:
        await asyncio.sleep(self._backoff_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load


class _ConditionFailedError(Exception):
    """The condition of a write does not hold."""


def _causes(error: AwsError) -> set[str]:
    """The kind of the failure; of a transaction, those of its parts."""
    if error.kind != _CANCELLED:
        return {error.kind}
    codes = (reason.get("Code") for reason in error.details.get("CancellationReasons", []))
    return {f"{code}Exception" for code in codes if code}
