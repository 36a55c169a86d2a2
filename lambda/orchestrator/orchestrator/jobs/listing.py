"""Lists in OpenAI's form: pages that a client asks for with the last id that it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobtable import ids
from prompting.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jobtable.records import Record

    from orchestrator.jobs.table import JobsTable

_STEP = 100
"""Records that are read at once: DynamoDB answers with 1 MB at most, and a batch's record has some 10 KB."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a client asks for: at most `limit` objects, those behind `after`."""

    after: str | None
    limit: int
    newest_first: bool = True


def parse_listing(
    query: Mapping[str, str], prefix: ids.Prefix, *, default: int, most: int, ordered: bool = False
) -> Listing:
    """The query parameters `after`, `limit` and, if `ordered`, `order`. Raises `InvalidRequestError`."""
    after = query.get("after") or None
    if after is not None and not ids.is_id(after, prefix):
        message = f"Invalid value for 'after': expected an id that begins with '{prefix}'."
        raise InvalidRequestError(message, param="after")
    text = query.get("limit", str(default))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= limit <= most:
        message = f"Invalid value for 'limit': expected a whole number from 1 to {most:,}."
        raise InvalidRequestError(message, param="limit")
    order = query.get("order", "desc") if ordered else "desc"
    if order not in {"asc", "desc"}:
        raise InvalidRequestError("Invalid value for 'order': expected 'asc' or 'desc'.", param="order")
    return Listing(after, limit, newest_first=order == "desc")


def refuse_unknown(query: Iterable[str], known: frozenset[str]) -> None:
    """Raise `InvalidRequestError` for a query parameter that would be ignored."""
    for name in query:
        if name not in known:
            message = f"Unknown parameter: '{name}'."
            raise InvalidRequestError(message, param=name, code="unknown_parameter")


async def listed(
    table: JobsTable,
    owner: str,
    prefix: ids.Prefix,
    listing: Listing,
    *,
    to_object: Callable[[Record], dict[str, Any]],
    wanted: Callable[[Record], bool] = lambda _: True,
) -> dict[str, Any]:
    """The list object with the wanted records. Raises `JobsUnavailableError`."""
    found: list[Record] = []
    after, more = listing.after, True
    while more and len(found) <= listing.limit:
        step = min(_STEP, listing.limit + 1)
        page = await table.page(owner, prefix, after=after, limit=step, newest_first=listing.newest_first)
        more = len(page) > step
        found += filter(wanted, page)
        after = page[-1]["id"] if page else after
    data = [to_object(record) for record in found[: listing.limit]]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > listing.limit,
    }
