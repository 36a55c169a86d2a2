"""Requests for the jobs table, carried out by DynamoDB's emulation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from jobtable import ids, records, states
from moto import mock_aws

TABLE = "jobs"


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        names = {"owner": "S", "id": "S", "open": "S", "due_at": "N"}
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in names.items()],
            KeySchema=_schema("owner", "id"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": records.OPEN_JOBS,
                    "KeySchema": _schema("open", "due_at"),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        yield client


def _schema(partition: str, sort: str) -> Any:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def job(owner: str = "ada", status: str = states.QUEUED, now_ms: int = 1) -> records.Record:
    made = ids.new_id("resp_", now_ms)
    return {
        "owner": owner,
        "id": made,
        "status": status,
        "open": "response",
        "due_at": 100,
        "created_at": 10,
        "metadata": {"a": "ü"},
        "submitted": False,
    }


def read(dynamodb: Any, record: records.Record) -> records.Record | None:
    item = dynamodb.get_item(**records.get(TABLE, record["owner"], record["id"])).get("Item")
    return records.from_item(item) if item else None


def test_a_record_comes_back_as_it_was(dynamodb: Any) -> None:
    record = job()
    dynamodb.put_item(**records.put_new(TABLE, {**record, "error": None}))
    assert read(dynamodb, record) == record


def test_a_new_record_replaces_none(dynamodb: Any) -> None:
    record = job()
    dynamodb.put_item(**records.put_new(TABLE, record))
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.put_item(**records.put_new(TABLE, record))


def test_records_are_put_together_or_not_at_all(dynamodb: Any) -> None:
    first, second = job(now_ms=1), job(now_ms=2)
    dynamodb.put_item(**records.put_new(TABLE, first))
    with pytest.raises(ClientError, match="TransactionCanceled"):
        dynamodb.transact_write_items(**records.put_together(TABLE, second, first))
    assert read(dynamodb, second) is None


def test_the_first_final_status_stays(dynamodb: Any) -> None:
    record = job()
    dynamodb.put_item(**records.put_new(TABLE, record))
    ending = {"status": states.COMPLETED, "usage": {"total_tokens": 3}}
    answer = dynamodb.update_item(**records.change(TABLE, "ada", record["id"], fields=ending))
    ended = records.from_item(answer["Attributes"])
    assert ended == {k: v for k, v in record.items() if k not in {"open", "due_at"}} | ending
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.update_item(**records.change(TABLE, "ada", record["id"], fields={"status": states.FAILED}))


def test_a_change_asks_for_an_absent_attribute(dynamodb: Any) -> None:
    record = job(status=states.COMPLETED)
    dynamodb.put_item(**records.put_new(TABLE, record))
    note = records.change(
        TABLE, "ada", record["id"], allowed=states.FINAL, fields={"notified_at": 5}, absent="notified_at"
    )
    dynamodb.update_item(**note)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.update_item(**note)


def test_a_change_asks_for_values(dynamodb: Any) -> None:
    record = {**job(), "submitted": False}
    dynamodb.put_item(**records.put_new(TABLE, record))
    submit = records.change(
        TABLE, "ada", record["id"], fields={"submitted": True}, equal={"submitted": False}
    )
    dynamodb.update_item(**submit)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.update_item(**submit)


def test_only_existing_records_change(dynamodb: Any) -> None:
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.update_item(**records.change(TABLE, "ada", "resp_0", fields={"status": states.FAILED}))


def test_open_jobs_are_found_when_they_are_due(dynamodb: Any) -> None:
    early, late, ended = (job(now_ms=n) for n in (1, 2, 3))
    for record in (early, {**late, "due_at": 101}, ended):
        dynamodb.put_item(**records.put_new(TABLE, record))
    dynamodb.update_item(**records.change(TABLE, "ada", ended["id"], fields={"status": states.CANCELLED}))
    found = dynamodb.query(**records.due(TABLE, "response", 100, limit=10))["Items"]
    assert [item["id"]["S"] for item in found] == [early["id"]]


def due(dynamodb: Any, now: int) -> list[str]:
    found = dynamodb.query(**records.due(TABLE, "response", now, limit=10))["Items"]
    return [item["id"]["S"] for item in found]


def test_an_ended_job_stays_in_the_index_until_its_client_is_told(dynamodb: Any) -> None:
    record = {**job(), "client": "app"}
    dynamodb.put_item(**records.put_new(TABLE, record))
    dynamodb.update_item(**records.end(TABLE, record, fields={"status": states.COMPLETED}, now=1_000))
    assert due(dynamodb, 1_000 + records.ANNOUNCING_SECONDS - 1) == []
    assert due(dynamodb, 1_000 + records.ANNOUNCING_SECONDS) == [record["id"]]
    note = records.notified(TABLE, "ada", record["id"], 1_070)
    dynamodb.update_item(**note)
    assert due(dynamodb, 9_999) == []
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.update_item(**note)
    told = {"status": states.COMPLETED, "notified_at": 1_070}
    assert read(dynamodb, record) == {k: v for k, v in record.items() if k not in {"open", "due_at"}} | told


def test_without_a_webhook_an_ended_job_leaves_the_index(dynamodb: Any) -> None:
    record = job()
    dynamodb.put_item(**records.put_new(TABLE, record))
    dynamodb.update_item(**records.end(TABLE, record, fields={"status": states.FAILED}, now=1_000))
    assert due(dynamodb, 9_999) == []


def test_pages_run_from_new_to_old_and_show_the_owners_alone(dynamodb: Any) -> None:
    mine = [job(now_ms=number) for number in range(5)]
    for record in (*mine, job("bob", now_ms=9)):
        dynamodb.put_item(**records.put_new(TABLE, record))
    newest_first = [record["id"] for record in reversed(mine)]

    def listed(after: str | None, limit: int) -> list[str]:
        items = dynamodb.query(**records.page(TABLE, "ada", "resp_", after=after, limit=limit))["Items"]
        return [item["id"]["S"] for item in items]

    assert listed(None, 10) == newest_first
    assert listed(newest_first[1], 10) == newest_first[2:]
    assert listed(newest_first[1], 2) == newest_first[2:5]
    assert listed(newest_first[2], 2) == newest_first[3:]
    dynamodb.delete_item(**records.delete(TABLE, "ada", newest_first[1]))
    assert listed(newest_first[1], 10) == newest_first[2:]


def test_pages_run_from_old_to_new_where_asked(dynamodb: Any) -> None:
    mine = [job(now_ms=number) for number in range(4)]
    for record in (*mine, job("bob", now_ms=9)):
        dynamodb.put_item(**records.put_new(TABLE, record))
    oldest_first = [record["id"] for record in mine]

    def listed(after: str | None, limit: int) -> list[str]:
        page = records.page(TABLE, "ada", "resp_", after=after, limit=limit, newest_first=False)
        return [item["id"]["S"] for item in dynamodb.query(**page)["Items"]]

    assert listed(None, 10) == oldest_first
    assert listed(oldest_first[0], 2) == oldest_first[1:]
    assert listed(oldest_first[3], 2) == []


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="score: float is no text, whole number or truth value"):
        records.to_item({"score": 0.5})


def test_a_record_whose_time_has_passed_counts_as_gone(dynamodb: Any) -> None:
    first = {**job(), "created_at": 10, "delete_at": 20}
    dynamodb.put_item(**records.put_new(TABLE, first))
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.put_item(**records.put_new(TABLE, {**first, "created_at": 19}))
    dynamodb.put_item(**records.put_new(TABLE, {**first, "created_at": 20}))
    assert read(dynamodb, first) == {**first, "created_at": 20}


def test_records_are_deleted_together(dynamodb: Any) -> None:
    first, second, third = (job(now_ms=now) for now in (1, 2, 3))
    for record in (first, second, third):
        dynamodb.put_item(**records.put_new(TABLE, record))
    dynamodb.transact_write_items(**records.delete_together(TABLE, "ada", first["id"], second["id"]))
    assert [read(dynamodb, record) for record in (first, second, third)] == [None, None, third]
