"""Records of the jobs table, and the requests that change them.

Key: `owner` (the client's API key id) and `id`. So a client reaches its own records alone, and lists them
by age. The index `open-jobs` holds the jobs that have not ended, or whose client is yet to be told, by `open`
(the kind) and `due_at` (when the sweeper looks at them next). `delete_at` is the time to live. Times are
seconds since the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Literal

from jobtable.states import FINAL, OPEN

OPEN_JOBS = "open-jobs"

ANNOUNCING_SECONDS = 60
"""Time that whoever ends a job has to tell the client, before the sweeper does."""

Kind = Literal["response", "batch"]

Record = dict[str, Any]
"""Attributes of a record: texts, whole numbers, truth values, and JSON documents."""

Request = dict[str, Any]
Item = dict[str, dict[str, Any]]

DOCUMENTS = frozenset({"request", "sources", "usage", "error", "errors", "metadata", "request_counts"})
"""Attributes that hold JSON documents, stored as text."""


def to_item(record: Mapping[str, Any]) -> Item:
    """The record as DynamoDB takes it; attributes that are None are left out."""
    return {name: _to_value(name, value) for name, value in record.items() if value is not None}


def from_item(item: Mapping[str, Mapping[str, Any]]) -> Record:
    """The record of an item."""
    return {name: _from_value(name, value) for name, value in item.items()}


def get(table: str, owner: str, record_id: str) -> Request:
    """GetItem, consistent."""
    return {"TableName": table, "Key": _key(owner, record_id), "ConsistentRead": True}


def put_new(table: str, record: Mapping[str, Any]) -> Request:
    """PutItem that fails with ConditionalCheckFailedException where the record exists.

    One whose `delete_at` has passed by the new one's `created_at` counts as gone: DynamoDB takes days to
    remove it.
    """
    return {
        "TableName": table,
        "Item": to_item(record),
        "ConditionExpression": "attribute_not_exists(id) OR delete_at <= :now",
        "ExpressionAttributeValues": {":now": {"N": str(record["created_at"])}},
    }


def put(table: str, record: Mapping[str, Any]) -> Request:
    """PutItem, whatever was there."""
    return {"TableName": table, "Item": to_item(record)}


def put_together(table: str, *new: Mapping[str, Any]) -> Request:
    """TransactWriteItems: all of these new records, or none of them."""
    return {"TransactItems": [{"Put": put_new(table, record)} for record in new]}


def delete(table: str, owner: str, record_id: str) -> Request:
    """DeleteItem that returns what was there."""
    return {"TableName": table, "Key": _key(owner, record_id), "ReturnValues": "ALL_OLD"}


def delete_together(table: str, owner: str, *record_ids: str) -> Request:
    """TransactWriteItems that removes all of these records of an owner, or none of them."""
    return {
        "TransactItems": [
            {"Delete": {"TableName": table, "Key": _key(owner, record_id)}} for record_id in record_ids
        ]
    }


def change(
    table: str,
    owner: str,
    record_id: str,
    *,
    allowed: Collection[str] = OPEN,
    fields: Mapping[str, Any],
    absent: str | None = None,
    equal: Mapping[str, Any] | None = None,
) -> Request:
    """UpdateItem that sets `fields` while the status is one of `allowed`, and returns the whole record.

    A final status takes the job out of the index of open jobs, unless `fields` say when it is due again.
    Fails with ConditionalCheckFailedException where the record does not exist, has another status, has the
    attribute `absent`, or one of `equal` has another value.
    """
    values = to_item(fields)
    names = {f"#{index}": name for index, name in enumerate(values)}
    settings = ", ".join(f"#{index} = :{index}" for index in range(len(values)))
    leaves = "notified_at" in fields or (fields.get("status") in FINAL and "due_at" not in fields)
    states = {f":s{index}": {"S": state} for index, state in enumerate(sorted(allowed))}
    condition = f"#status IN ({', '.join(states)})"
    if absent is not None:
        names["#absent"] = absent
        condition += " AND attribute_not_exists(#absent)"
    expected = to_item(equal or {})
    names |= {f"#e{index}": name for index, name in enumerate(expected)}
    condition += "".join(f" AND #e{index} = :e{index}" for index in range(len(expected)))
    return {
        "TableName": table,
        "Key": _key(owner, record_id),
        "UpdateExpression": f"SET {settings}" + (" REMOVE #open, due_at" if leaves else ""),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {**names, "#status": "status", **({"#open": "open"} if leaves else {})},
        "ExpressionAttributeValues": {
            **{f":{index}": value for index, value in enumerate(values.values())},
            **{f":e{index}": value for index, value in enumerate(expected.values())},
            **states,
        },
        "ReturnValues": "ALL_NEW",
    }


def end(
    table: str,
    record: Mapping[str, Any],
    *,
    allowed: Collection[str] = OPEN,
    fields: Mapping[str, Any],
    now: int,
) -> Request:
    """`change` to the final status in `fields`."""
    return change(table, record["owner"], record["id"], allowed=allowed, fields=ending(record, fields, now))


def ending(record: Mapping[str, Any], fields: Mapping[str, Any], now: int) -> Record:
    """`fields` of the end of a job, and what its announcement needs.

    A job whose client has a webhook stays in the index, due in a minute, until `notified` takes it out: so
    the sweeper tells the client where whoever ended the job died before it could.
    """
    return {**fields, "due_at": now + ANNOUNCING_SECONDS} if record.get("client") else dict(fields)


def notified(table: str, owner: str, record_id: str, now: int) -> Request:
    """UpdateItem that notes that the client was told of the job's end, and takes the job out of the index.

    Fails with ConditionalCheckFailedException where that was noted before.
    """
    return change(table, owner, record_id, allowed=FINAL, fields={"notified_at": now}, absent="notified_at")


def page(
    table: str, owner: str, prefix: str, *, after: str | None, limit: int, newest_first: bool = True
) -> Request:
    """Query: records of a kind by age, those behind the id `after`, which need not exist any more.

    One more than `limit` comes back where there are more.
    """
    return {
        "TableName": table,
        "KeyConditionExpression": "#owner = :owner AND begins_with(id, :prefix)",
        "ExpressionAttributeNames": {"#owner": "owner"},
        "ExpressionAttributeValues": {":owner": {"S": owner}, ":prefix": {"S": prefix}},
        **({"ExclusiveStartKey": _key(owner, after)} if after else {}),
        "ScanIndexForward": not newest_first,
        "Limit": limit + 1,
        "ConsistentRead": True,
    }


def due(table: str, kind: Kind, now: int, *, limit: int, start: Item | None = None) -> Request:
    """Query: keys of the open jobs of a kind whose `due_at` has passed, longest overdue first."""
    return {
        "TableName": table,
        "IndexName": OPEN_JOBS,
        "KeyConditionExpression": "#open = :open AND due_at <= :now",
        "ExpressionAttributeNames": {"#open": "open"},
        "ExpressionAttributeValues": {":open": {"S": kind}, ":now": {"N": str(now)}},
        "Limit": limit,
        **({"ExclusiveStartKey": start} if start else {}),
    }


def _key(owner: str, record_id: str) -> Item:
    return {"owner": {"S": owner}, "id": {"S": record_id}}


def _to_value(name: str, value: Any) -> dict[str, Any]:
    if name in DOCUMENTS:
        return {"S": json.dumps(value, ensure_ascii=False, separators=(",", ":"))}
    match value:
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case _:
            raise TypeError(f"{name}: {type(value).__name__} is no text, whole number or truth value")


def _from_value(name: str, value: Mapping[str, Any]) -> Any:
    if name in DOCUMENTS:
        return json.loads(value["S"])
    (kind, content), *_ = value.items()
    return int(content) if kind == "N" else content
