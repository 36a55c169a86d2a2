"""Filtering, sorting and paging of the List operations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twin.local.services.errors import validation_error
from twin.local.services.storage import Record

_DEFAULT_PAGE = 10


@dataclass(frozen=True, slots=True)
class Listing:
    """One List operation: the answer's member, the fields of a row, which of them is name and status."""

    member: str
    fields: tuple[str, ...]
    name_field: str
    status_field: str = ""

    def answer(self, rows: Iterable[Record], request: Record) -> Record:
        """The page that `request` asks for, newest first unless it says otherwise.

        Understands NameContains, CreationTimeBefore/After, LastModifiedTimeBefore/After, StatusEquals,
        SortBy, SortOrder, MaxResults and NextToken.
        """
        kept = [row for row in rows if self._matches(row, request)]
        sort_fields = {"Name": self.name_field, "Status": self.status_field}
        field = sort_fields.get(request.get("SortBy") or "") or "CreationTime"
        descending = (request.get("SortOrder") or "Descending") == "Descending"
        ordered = sorted(kept, key=lambda row: row[field], reverse=descending)
        page, token = page_of(ordered, request, _DEFAULT_PAGE)
        answer: Record = {
            self.member: [{name: row[name] for name in self.fields if name in row} for row in page]
        }
        return answer if token is None else {**answer, "NextToken": token}

    def _matches(self, row: Record, request: Record) -> bool:
        contained = request.get("NameContains")
        if contained and contained.lower() not in row[self.name_field].lower():
            return False
        if request.get("StatusEquals") and row.get(self.status_field) != request["StatusEquals"]:
            return False
        for field in ("CreationTime", "LastModifiedTime"):
            before, after = request.get(f"{field}Before"), request.get(f"{field}After")
            if before is not None and row[field] >= before:
                return False
            if after is not None and row[field] <= after:
                return False
        return True


def page_of(rows: Sequence[Record], request: Record, size: int = 50) -> tuple[Sequence[Record], str | None]:
    """One page of `rows` as they are, and the next token."""
    start = _offset(request.get("NextToken"))
    end = start + (request.get("MaxResults") or size)
    token = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(rows) else None
    return rows[start:end], token


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise validation_error("Invalid NextToken") from None
