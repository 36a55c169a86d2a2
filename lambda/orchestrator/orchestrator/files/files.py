"""Keeping clients' files: a record of each in the jobs table, its content in the exchange bucket."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from jobtable import ids, keys
from prompting.errors import InvalidRequestError

from orchestrator.files.errors import MAX_FILE_BYTES
from orchestrator.files.jsonl import check_jsonl
from orchestrator.files.requests import PURPOSE, check_fields, check_filename
from orchestrator.jobs.errors import NotFoundError, ObjectMissingError, RecordChangedError
from orchestrator.jobs.listing import listed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from jobtable.records import Record

    from orchestrator.files.multipart import Form
    from orchestrator.files.requests import Announcement
    from orchestrator.jobs.listing import Listing
    from orchestrator.jobs.objects import Objects
    from orchestrator.jobs.table import JobsTable

CONTENT_TYPE = "application/jsonl"

UPLOAD_SECONDS = 3_600
"""How long the address of an upload is good for."""

DOWNLOAD_SECONDS = 300
"""How long the address of a long content is good for: it is asked anew with each request."""

MAX_STREAMED_BYTES = 20_000_000
"""Longest content within a response: Lambda slows down to 2 MB/s after 6 MB, and stops at 200 MB."""

_DAY = 86_400
_UPLOADED = "uploaded"
PROCESSED = "processed"
_ERROR = "error"


class Files:
    """The files of each owner. Every method may raise `JobsUnavailableError`."""

    def __init__(
        self,
        table: JobsTable,
        objects: Objects,
        *,
        retention_days: int,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._table = table
        self._objects = objects
        self._retention_seconds = retention_days * _DAY
        self._now_ms = now_ms

    async def create(self, owner: str, form: Form) -> dict[str, Any]:
        """Keep a file that came within the request. Raises `InvalidRequestError`."""
        check_fields(form.fields)
        filename = check_filename(form.filename, "file")
        await asyncio.to_thread(check_jsonl, form.content)
        record = self._record(owner, filename, len(form.content), status=PROCESSED, pending=False)
        await self._objects.put(keys.file(owner, record["id"]), form.content, CONTENT_TYPE)
        await self._table.put_new(record)
        return file_object(record)

    async def announce(self, owner: str, announcement: Announcement) -> dict[str, Any]:
        """Remember a file that the client is going to upload, and say where to."""
        record = self._record(
            owner, announcement.filename, announcement.bytes, status=_UPLOADED, pending=True
        )
        await self._table.put_new(record)
        url = self._objects.presigned_put(
            keys.file(owner, record["id"]), seconds=UPLOAD_SECONDS, content_length=announcement.bytes
        )
        upload = {
            "method": "PUT",
            "url": url,
            "headers": {"content-length": str(announcement.bytes)},
            "expires_at": record["created_at"] + UPLOAD_SECONDS,
        }
        return {**file_object(record), "upload": upload}

    async def get(self, owner: str, file_id: str) -> Record:
        """Return the record; one that waits for its upload is settled where the content is there.

        Raises `NotFoundError`.
        """
        record = await self._table.get(owner, file_id) if ids.is_id(file_id, ids.FILE) else None
        if record is None:
            raise NotFoundError("file", file_id)
        return await self._settled(record) if record.get("pending") else record

    async def page(self, owner: str, listing: Listing, purpose: str | None) -> dict[str, Any]:
        """The list object with the files of that purpose, or of any."""
        return await listed(
            self._table,
            owner,
            ids.FILE,
            listing,
            to_object=file_object,
            wanted=lambda record: purpose in {None, record["purpose"]},
        )

    async def content(self, record: Record) -> AsyncGenerator[bytes, None] | str:
        """Return the content in parts, once the first one is there, or the address of a long one.

        Raises `NotFoundError`, and `InvalidRequestError` for a file that was not uploaded yet.
        """
        if record.get("pending"):
            raise not_uploaded(record["id"])
        key = keys.file(record["owner"], record["id"])
        if record["bytes"] > MAX_STREAMED_BYTES:
            if await self._objects.size(key) is None:
                raise NotFoundError("file", record["id"])
            return self._objects.presigned_get(key, seconds=DOWNLOAD_SECONDS)
        parts = self._objects.stream(key)
        try:
            first = await anext(parts, b"")
        except ObjectMissingError:
            raise NotFoundError("file", record["id"]) from None
        return _with_first(first, parts)

    async def delete(self, owner: str, file_id: str) -> dict[str, Any]:
        """Remove the content, then the record, so that a client whose request broke off can repeat it.

        A batch that was already validated has lines of its own. Raises `NotFoundError`.
        """
        if not ids.is_id(file_id, ids.FILE) or await self._table.get(owner, file_id) is None:
            raise NotFoundError("file", file_id)
        await self._objects.delete(keys.file(owner, file_id))
        await self._table.delete(owner, file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    def _record(self, owner: str, filename: str, size: int, *, status: str, pending: bool) -> Record:
        now_ms = self._now_ms()
        created_at = now_ms // 1000
        return {
            "owner": owner,
            "id": ids.new_id(ids.FILE, now_ms),
            "status": status,
            "filename": filename,
            "purpose": PURPOSE,
            "bytes": size,
            "created_at": created_at,
            "delete_at": created_at + self._retention_seconds,
            "pending": pending,
        }

    async def _settled(self, record: Record) -> Record:
        """The record as it is once its content is there; an upload ends here, successful or not."""
        owner, file_id = record["owner"], record["id"]
        size = await self._objects.size(keys.file(owner, file_id))
        if size is None:
            return record
        usable = 0 < size <= MAX_FILE_BYTES
        fields = {"status": PROCESSED if usable else _ERROR, "pending": False, "bytes": size}
        try:
            return await self._table.change(owner, file_id, allowed={_UPLOADED}, fields=fields)
        except RecordChangedError:
            settled = await self._table.get(owner, file_id)
        if settled is None:
            raise NotFoundError("file", file_id)
        return settled


def file_object(record: Record) -> dict[str, Any]:
    """The file in OpenAI's form; `pending` is there while its upload is awaited."""
    shown = {name: record[name] for name in ("bytes", "created_at", "filename", "purpose", "status")}
    about: dict[str, Any] = {"id": record["id"], "object": "file", **shown, "expires_at": record["delete_at"]}
    if record.get("pending"):
        about["pending"] = True
    if record["status"] == _ERROR:
        about["status_details"] = (
            f"The file must have 1 to {MAX_FILE_BYTES:,} bytes; {record['bytes']:,} came."
        )
    return about


def not_uploaded(file_id: str, *, param: str | None = None) -> InvalidRequestError:
    message = (
        f"The content of file '{file_id}' was not uploaded yet: PUT it to the file's 'upload.url' first."
    )
    return InvalidRequestError(message, param=param, code="file_not_uploaded")


async def _with_first(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for part in rest:
            yield part
    finally:
        await rest.aclose()
