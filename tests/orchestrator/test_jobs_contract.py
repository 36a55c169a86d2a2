"""The table, the bucket and the queue keep their promises, the fakes as the real adapters.

The real ones speak to the emulation that the local cloud runs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from jobtable import ids, keys, states
from jobtable.records import Record
from orchestrator.aws.client import connection_pool
from orchestrator.jobs.adapters import JobAdapters, on_aws
from orchestrator.jobs.errors import ObjectMissingError, RecordChangedError, RecordExistsError

from tests.local_services.conftest import served
from tests.orchestrator.fake_jobs import FakeJobs
from tests.orchestrator.fakes import VARIABLES, environment

pytestmark = pytest.mark.anyio

REGION = "us-east-1"
NOW = 1_800_000_000


@dataclass(frozen=True)
class Emulation:
    """Where it listens, and the URL of the queue."""

    url: str
    queue_url: str

    def client(self, name: str) -> Any:
        return boto3.client(
            name,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="session")
def emulation() -> Iterator[Emulation]:
    pytest.importorskip("ministack")
    from ministack.app import app

    with served(app) as url:
        emulation = Emulation(url, "")
        schema = {"owner": "HASH", "id": "RANGE"}
        emulation.client("dynamodb").create_table(
            TableName=VARIABLES["JOBS_TABLE_NAME"],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in schema.items()],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in schema],
            BillingMode="PAY_PER_REQUEST",
        )
        emulation.client("s3").create_bucket(Bucket=VARIABLES["EXCHANGE_BUCKET_NAME"])
        queue = emulation.client("sqs").create_queue(QueueName="webhooks-of-the-contract")
        yield Emulation(url, queue["QueueUrl"])


@pytest.fixture(params=["fake", "real"])
async def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[JobAdapters]:
    if request.param == "fake":
        yield FakeJobs().adapters
        return
    emulation: Emulation = request.getfixturevalue("emulation")
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulation.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    async with connection_pool(tls=False) as pool:
        yield on_aws(environment(WEBHOOK_QUEUE_URL=emulation.queue_url), pool, REGION)


def job(number: int = 1, owner: str = "ada", **fields: Any) -> Record:
    return {
        "owner": owner,
        "id": ids.new_id(ids.RESPONSE, number),
        "status": states.QUEUED,
        "created_at": NOW,
        "open": "response",
        "due_at": NOW + 60,
        "metadata": {"ä": "ü"},
        "sources": [{"index": 1, "score": 0.5}],
        "submitted": False,
        **fields,
    }


async def test_a_record_is_kept_as_it_is(jobs: JobAdapters) -> None:
    record = job(client=None)
    await jobs.table.put_new(record)
    del record["client"]
    assert await jobs.table.get("ada", record["id"]) == record
    assert await jobs.table.get("bob", record["id"]) is None


async def test_a_record_is_put_once(jobs: JobAdapters) -> None:
    record = job()
    await jobs.table.put_new(record)
    with pytest.raises(RecordExistsError):
        await jobs.table.put_new({**record, "submitted": True})
    assert await jobs.table.get("ada", record["id"]) == record


async def test_records_are_put_together_or_not_at_all(jobs: JobAdapters) -> None:
    known, first, second = job(1), job(2), job(3)
    await jobs.table.put_new(known)
    with pytest.raises(RecordExistsError):
        await jobs.table.put_new(first, known)
    assert await jobs.table.get("ada", first["id"]) is None
    await jobs.table.put_new(first, second)
    assert await jobs.table.get("ada", first["id"]) == first
    assert await jobs.table.get("ada", second["id"]) == second


async def test_one_of_many_who_put_the_same_record_succeeds(jobs: JobAdapters) -> None:
    shared = job(0)

    async def put(number: int) -> bool:
        try:
            await jobs.table.put_new(job(number), shared)
        except RecordExistsError:
            return False
        return True

    assert sum(await asyncio.gather(*map(put, range(1, 21)))) == 1


@pytest.mark.parametrize("together", [False, True])
async def test_a_record_whose_time_has_passed_is_not_in_the_way(jobs: JobAdapters, together: bool) -> None:
    old = job(delete_at=NOW + 10)
    beside = [job(2)] if together else []
    await jobs.table.put_new(old)
    with pytest.raises(RecordExistsError):
        await jobs.table.put_new({**old, "created_at": NOW + 9}, *beside)
    new = {**old, "created_at": NOW + 10, "delete_at": NOW + 20}
    await jobs.table.put_new(new, *beside)
    assert await jobs.table.get("ada", old["id"]) == new


async def test_a_change_returns_the_whole_record(jobs: JobAdapters) -> None:
    record = job()
    await jobs.table.put_new(record)
    fields = {"submitted": True, "output_key": "o"}
    changed = await jobs.table.change("ada", record["id"], allowed=states.OPEN, fields=fields)
    assert changed == {**record, **fields} == await jobs.table.get("ada", record["id"])


@pytest.mark.parametrize("status", [states.CANCELLED, None])
async def test_a_change_needs_an_allowed_status_and_a_record(jobs: JobAdapters, status: str | None) -> None:
    record = job(status=status)
    if status:
        await jobs.table.put_new(record)
    with pytest.raises(RecordChangedError):
        await jobs.table.change("ada", record["id"], allowed=states.OPEN, fields={"submitted": True})
    assert (await jobs.table.get("ada", record["id"]) is None) is (status is None)


async def test_one_of_many_claims_succeeds(jobs: JobAdapters) -> None:
    record = job()
    await jobs.table.put_new(record)

    async def claim(now: int) -> bool:
        fields = {"claimed_at_1": now}
        try:
            await jobs.table.change(
                "ada", record["id"], allowed={states.QUEUED}, fields=fields, absent="claimed_at_1"
            )
        except RecordChangedError:
            return False
        return True

    assert sum(await asyncio.gather(*map(claim, range(20)))) == 1


async def test_a_change_may_ask_for_values(jobs: JobAdapters) -> None:
    record = {**job(), "submitted": False}
    await jobs.table.put_new(record)

    async def submit() -> None:
        fields, equal = {"submitted": True}, {"submitted": False}
        await jobs.table.change("ada", record["id"], allowed=states.OPEN, fields=fields, equal=equal)

    await submit()
    with pytest.raises(RecordChangedError):
        await submit()


@pytest.mark.parametrize("more", [{}, {"due_at": NOW + 5}])
async def test_a_final_status_takes_the_record_out_of_the_index(
    jobs: JobAdapters, more: dict[str, int]
) -> None:
    """Unless it is due again; then the note that the client was told does."""
    record = job()
    await jobs.table.put_new(record)
    fields = {"status": states.CANCELLED, **more}
    ended = await jobs.table.change("ada", record["id"], allowed=states.OPEN, fields=fields)
    assert ("open" in ended, "due_at" in ended) == (bool(more), bool(more))
    noted = await jobs.table.change(
        "ada", record["id"], allowed=states.FINAL, fields={"notified_at": NOW}, absent="notified_at"
    )
    assert "open" not in noted
    with pytest.raises(RecordChangedError):
        await jobs.table.change(
            "ada", record["id"], allowed=states.FINAL, fields={"notified_at": NOW}, absent="notified_at"
        )


async def test_deleting_returns_what_was_there(jobs: JobAdapters) -> None:
    record = job()
    await jobs.table.put_new(record)
    assert await jobs.table.delete("ada", record["id"]) == record
    assert await jobs.table.delete("ada", record["id"]) is None
    assert await jobs.table.get("ada", record["id"]) is None


async def test_records_are_deleted_together(jobs: JobAdapters) -> None:
    first, second, third = (job(number) for number in (1, 2, 3))
    for record in (first, second, third):
        await jobs.table.put_new(record)
    await jobs.table.delete_together("ada", first["id"], second["id"], "never-there")
    left = [await jobs.table.get("ada", record["id"]) for record in (first, second, third)]
    assert left == [None, None, third]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_follow_each_other(jobs: JobAdapters, newest_first: bool) -> None:
    owner = f"pages-{newest_first}"
    records = [job(number, owner) for number in range(1, 6)]
    others = [job(9, "someone-else"), {**job(9, owner), "id": ids.new_id(ids.FILE, 9)}]
    for record in (*records, *others):
        await jobs.table.put_new(record)
    ordered = [record["id"] for record in records]
    if newest_first:
        ordered.reverse()

    async def page(after: str | None) -> list[str]:
        found = await jobs.table.page(owner, ids.RESPONSE, after=after, limit=2, newest_first=newest_first)
        return [record["id"] for record in found]

    assert await page(None) == ordered[:3]
    assert await page(ordered[1]) == ordered[2:]
    assert await page(ordered[4]) == []


KEY = keys.asynchronous_input("resp_" + "a" * 32)


async def test_an_object_is_kept_as_it_is(jobs: JobAdapters) -> None:
    content = "Grüße\n".encode() * 1000
    await jobs.objects.put(KEY, content, "application/json")
    assert await jobs.objects.get(KEY) == content
    assert await jobs.objects.size(KEY) == len(content)
    async with aclosing(jobs.objects.stream(KEY)) as parts:
        assert b"".join([part async for part in parts]) == content
    await jobs.objects.delete(KEY)
    assert await jobs.objects.get(KEY) is None


async def test_an_object_may_be_empty(jobs: JobAdapters) -> None:
    await jobs.objects.put(KEY, b"", "application/json")
    assert (await jobs.objects.get(KEY), await jobs.objects.size(KEY)) == (b"", 0)


async def test_an_object_that_is_not_there(jobs: JobAdapters) -> None:
    missing = f"{keys.PREFIX}never there, äh"
    assert await jobs.objects.get(missing) is None
    assert await jobs.objects.size(missing) is None
    await jobs.objects.delete(missing)
    with pytest.raises(ObjectMissingError, match="never there"):
        await anext(jobs.objects.stream(missing))


async def test_any_name_is_a_key(jobs: JobAdapters) -> None:
    key = f"{keys.PREFIX}a b+c/ä%20=~'(1).jsonl"
    await jobs.objects.put(key, b"x", "text/plain")
    assert await jobs.objects.get(key) == b"x"


async def test_leaving_a_stream_early_does_no_harm(jobs: JobAdapters) -> None:
    await jobs.objects.put(KEY, b"a" * 1_000_000, "text/plain")
    async with aclosing(jobs.objects.stream(KEY)) as parts:
        assert await anext(parts)
    assert await jobs.objects.size(KEY) == 1_000_000


@pytest.mark.parametrize("jobs", ["real"], indirect=True)
async def test_a_presigned_address_takes_the_object(jobs: JobAdapters) -> None:
    key = f"{keys.PREFIX}files/ada/presigned ä.jsonl"
    url = jobs.objects.presigned_put(key, seconds=60, content_length=3)
    async with httpx.AsyncClient() as client:
        assert (await client.put(url, content=b"abc")).status_code == 200
    assert await jobs.objects.get(key) == b"abc"


@pytest.mark.parametrize("jobs", ["real"], indirect=True)
async def test_a_message_arrives(jobs: JobAdapters, emulation: Emulation) -> None:
    await jobs.webhooks.send({"event_id": "evt_1", "client": "ädä"})
    sqs = emulation.client("sqs")
    [message] = sqs.receive_message(QueueUrl=emulation.queue_url, WaitTimeSeconds=2)["Messages"]
    assert json.loads(message["Body"]) == {"event_id": "evt_1", "client": "ädä"}
