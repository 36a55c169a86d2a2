"""Files and batches through the real adapters: DynamoDB, S3, Step Functions and SageMaker."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from jobtable import ids
from jobtable.records import OPEN_JOBS
from orchestrator.aws.client import connection_pool
from orchestrator.chat import Adapters
from orchestrator.jobs.adapters import on_aws
from orchestrator.service import create_app

from tests.local_host.conftest import LocalCloud, free_port
from tests.orchestrator.fakes import (
    FakeModel,
    FakeRetriever,
    FakeTelemetry,
    FakeTracing,
    environment,
)
from tests.orchestrator.filing import LINES, as_owner
from twin.local import lifecycle
from twin.local.options import CloudOptions

pytestmark = pytest.mark.anyio

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:twin-test-batch"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with the table, the bucket and a state machine that ends at once."""
    options = CloudOptions(tmp_path_factory.mktemp("cloud") / "state", free_port())
    lifecycle.start(options)
    try:
        started = LocalCloud(options)
        names = {"owner": "S", "id": "S", "open": "S", "due_at": "N"}
        started.client("dynamodb").create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in names.items()],
            KeySchema=_schema("owner", "id"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": OPEN_JOBS,
                    "KeySchema": _schema("open", "due_at"),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        started.client("s3").create_bucket(Bucket="exchange")
        definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
        role = "arn:aws:iam::000000000000:role/batch"
        started.client("stepfunctions").create_state_machine(
            name=MACHINE.rpartition(":")[2], definition=json.dumps(definition), roleArn=role
        )
        yield started
    finally:
        lifecycle.stop(options.state_dir)


def _schema(partition: str, sort: str) -> Any:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


@pytest.fixture
def owner() -> str:
    """A key of the test's own."""
    return secrets.token_hex(5)


@pytest.fixture
async def client(
    cloud: LocalCloud, owner: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.options.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    settings = environment(BATCH_STATE_MACHINE_ARN=MACHINE)
    async with connection_pool(tls=False) as pool:
        jobs = on_aws(settings, pool, "us-east-1")
        adapters = Adapters(FakeModel(), FakeRetriever(), FakeTelemetry(), FakeTracing(), jobs)
        transport = httpx.ASGITransport(create_app(settings, adapters))
        headers = as_owner(owner)
        async with httpx.AsyncClient(transport=transport, base_url="http://twin", headers=headers) as one:
            yield one


async def uploaded(client: httpx.AsyncClient) -> str:
    response = await client.post(
        "/v1/files", files={"file": ("lines.jsonl", LINES)}, data={"purpose": "batch"}
    )
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


async def created(client: httpx.AsyncClient, file_id: str) -> dict[str, Any]:
    body = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    response = await client.post("/v1/batches", json=body, headers={"idempotency-key": "night-42"})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


async def test_a_file_goes_to_the_bucket_and_comes_back(
    client: httpx.AsyncClient, cloud: LocalCloud, owner: str
) -> None:
    file_id = await uploaded(client)
    assert (await client.get(f"/v1/files/{file_id}/content")).content == LINES
    assert (await client.get(f"/v1/files/{file_id}")).json()["bytes"] == len(LINES)
    assert (await client.delete(f"/v1/files/{file_id}")).json()["deleted"] is True
    assert (await client.get(f"/v1/files/{file_id}")).status_code == 404
    left = cloud.client("s3").list_objects_v2(Bucket="exchange", Prefix=f"jobs/files/{owner}/")
    assert left["KeyCount"] == 0


async def test_a_file_goes_to_the_address_that_it_was_given(client: httpx.AsyncClient) -> None:
    body = {"purpose": "batch", "filename": "lines.jsonl", "bytes": len(LINES)}
    made = (await client.post("/v1/files", json=body)).json()
    assert (await client.get(f"/v1/files/{made['id']}")).json()["pending"] is True
    upload = made["upload"]
    async with httpx.AsyncClient() as anyone:
        sent = await anyone.request(upload["method"], upload["url"], content=LINES, headers=upload["headers"])
    assert sent.status_code == 200
    assert (await client.get(f"/v1/files/{made['id']}")).json()["status"] == "processed"
    assert (await client.get(f"/v1/files/{made['id']}/content")).content == LINES


async def test_long_content_comes_from_the_bucket(
    client: httpx.AsyncClient, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients that follow send their key along where the API and the bucket have one address, as here."""
    monkeypatch.setattr("orchestrator.files.files.MAX_STREAMED_BYTES", 1)
    moved = await client.get(f"/v1/files/{await uploaded(client)}/content")
    assert moved.status_code == 302
    for headers in ({}, {"authorization": "Bearer key"}):
        async with httpx.AsyncClient(headers=headers) as anyone:
            content = await anyone.get(moved.headers["location"])
        assert (content.status_code, content.content) == (200, LINES)


async def test_lists_are_paged_by_the_table(client: httpx.AsyncClient) -> None:
    made = sorted([await uploaded(client) for _ in range(3)])
    for order, expected in (("asc", made), ("desc", made[::-1])):
        first = (await client.get("/v1/files", params={"limit": 2, "order": order})).json()
        assert ([one["id"] for one in first["data"]], first["has_more"]) == (expected[:2], True)
        query: dict[str, str | int] = {"limit": 2, "order": order, "after": expected[1]}
        rest = (await client.get("/v1/files", params=query)).json()
        assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (expected[2:], False)


async def test_a_batch_has_one_execution(client: httpx.AsyncClient, cloud: LocalCloud, owner: str) -> None:
    """Also when the request comes again, and finds that the execution has ended."""
    file_id = await uploaded(client)
    made = await created(client, file_id)
    assert (await created(client, file_id))["id"] == made["id"]
    states = cloud.client("stepfunctions")
    found = states.list_executions(stateMachineArn=MACHINE)["executions"]
    (execution,) = [one for one in found if one["name"] == ids.digits(made["id"])]
    asked = states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(asked["input"]) == {"owner": owner, "batch_id": made["id"]}
    listed = (await client.get("/v1/batches")).json()["data"]
    assert listed == [made]


async def test_a_batch_is_cancelled_without_a_transform_job(client: httpx.AsyncClient) -> None:
    made = await created(client, await uploaded(client))
    response = await client.post(f"/v1/batches/{made['id']}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "cancelling")
    seen = (await client.get(f"/v1/batches/{made['id']}")).json()
    assert seen == response.json()
