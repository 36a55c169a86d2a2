"""What holds for the stores on AWS and for the fakes alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from jobs.aws import (
    DynamoJobs,
    S3Objects,
    SageMakerTransforms,
    SecretsManagerSecrets,
    SqsEvents,
    StateMachineExecutions,
)
from jobs.stores import Events, Executions, Jobs, Objects
from jobtable import records
from jobtable.records import Record
from jobtable.states import OPEN
from moto import mock_aws

from tests.jobs.fakes import FakeEvents, FakeExecutions, FakeJobs, FakeObjects, FakeTransforms

TABLE = "jobs"
BUCKET = "exchange"
OWNER = "key1"
DEFINITION = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}


@dataclass(frozen=True)
class Setup:
    """Stores, and what others do with what is stored."""

    jobs: Jobs
    objects: Objects
    events: Events
    executions: Executions
    put_job: Callable[[Record], None]
    put_object: Callable[[str, bytes], None]
    received: Callable[[], list[dict[str, Any]]]
    fail_execution: Callable[[str], None]


def in_memory() -> Setup:
    jobs, objects, events, executions = FakeJobs(), FakeObjects(), FakeEvents(), FakeExecutions()
    return Setup(
        jobs,
        objects,
        events,
        executions,
        jobs.put,
        objects.contents.__setitem__,
        lambda: events.sent,
        lambda name: executions.statuses.__setitem__(name, "ABORTED"),
    )


def on_aws(monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setattr("jobs.aws.PAGE", 3)
    dynamodb: Any = boto3.client("dynamodb")
    s3: Any = boto3.client("s3")
    sqs: Any = boto3.client("sqs")
    states: Any = boto3.client("stepfunctions")
    create_table(dynamodb)
    s3.create_bucket(Bucket=BUCKET)
    queue = sqs.create_queue(QueueName="webhooks")["QueueUrl"]
    machine = states.create_state_machine(
        name="twin-test-batch",
        definition=json.dumps(DEFINITION),
        roleArn="arn:aws:iam::123456789012:role/batch",
    )["stateMachineArn"]

    def received() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(each["Body"]) for each in answer.get("Messages", ())]

    def fail_execution(name: str) -> None:
        states.stop_execution(executionArn=f"{machine.replace(':stateMachine:', ':execution:')}:{name}")

    return Setup(
        DynamoJobs(dynamodb, TABLE),
        S3Objects(s3, BUCKET),
        SqsEvents(sqs, queue),
        StateMachineExecutions(states, machine),
        lambda record: dynamodb.put_item(**records.put(TABLE, record)),
        lambda key, content: s3.put_object(Bucket=BUCKET, Key=key, Body=content),
        received,
        fail_execution,
    )


def create_table(dynamodb: Any) -> None:
    def schema(partition: str, sort: str) -> list[dict[str, str]]:
        return [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ]

    names = {"owner": "S", "id": "S", "open": "S", "due_at": "N"}
    index = {
        "IndexName": records.OPEN_JOBS,
        "KeySchema": schema("open", "due_at"),
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in names.items()],
        KeySchema=schema("owner", "id"),
        GlobalSecondaryIndexes=[index],
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield


@pytest.fixture(params=["fake", "aws"])
def setup(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Setup:
    if request.param == "fake":
        return in_memory()
    request.getfixturevalue("aws")
    return on_aws(monkeypatch)


def job(number: int = 1, **more: Any) -> Record:
    record: Record = {
        "owner": OWNER,
        "id": f"resp_{number:032x}",
        "status": "queued",
        "created_at": 900,
        "due_at": 1_000 + number,
        "open": "response",
        "submitted": True,
    }
    return {**record, **more}


def due(setup: Setup, now: int) -> list[int]:
    """Numbers of the jobs that are due, over all pages."""
    page = setup.jobs.due("response", now)
    found = list(page.jobs)
    while page.next is not None:
        page = setup.jobs.due("response", now, page.next)
        found += page.jobs
    assert {owner for owner, _ in found} <= {OWNER}
    return [int(job_id.removeprefix("resp_"), 16) for _, job_id in found]


def test_a_job_is_read_as_it_is(setup: Setup) -> None:
    assert setup.jobs.get(OWNER, job()["id"]) is None
    setup.put_job(job())
    assert setup.jobs.get(OWNER, job()["id"]) == job()
    assert setup.jobs.get("key2", job()["id"]) is None


def test_the_first_end_stays(setup: Setup) -> None:
    setup.put_job(job())
    first = {"status": "completed", "ended_at": 5, "usage": {"total_tokens": 3}, "failure_key": None}
    ended = setup.jobs.end(job(), first, 5, allowed=OPEN)
    kept = {name: value for name, value in job().items() if name not in {"open", "due_at"}}
    expected = {**kept, "status": "completed", "ended_at": 5, "usage": {"total_tokens": 3}}
    assert ended == expected
    assert setup.jobs.end(job(), {"status": "failed"}, 6, allowed=OPEN) is None
    assert setup.jobs.get(OWNER, job()["id"]) == expected
    assert due(setup, 9_999) == []


def test_a_job_that_is_gone_does_not_end(setup: Setup) -> None:
    assert setup.jobs.end(job(), {"status": "failed"}, 6, allowed=OPEN) is None
    assert setup.jobs.get(OWNER, job()["id"]) is None


def test_a_job_of_a_client_with_a_webhook_is_due_until_it_was_told(setup: Setup) -> None:
    record = job(client="app")
    setup.put_job(record)
    assert not setup.jobs.notified(record, 5)
    ended = setup.jobs.end(record, {"status": "failed", "ended_at": 2_000}, 2_000, allowed=OPEN)
    assert ended == {**record, "status": "failed", "ended_at": 2_000, "due_at": 2_060}
    assert (due(setup, 2_059), due(setup, 2_060)) == ([], [1])
    assert setup.jobs.notified(record, 2_061)
    assert not setup.jobs.notified(record, 2_062)
    assert due(setup, 9_999) == []
    stored = setup.jobs.get(OWNER, record["id"])
    assert stored is not None
    assert stored["notified_at"] == 2_061


def test_only_open_jobs_are_put_off(setup: Setup) -> None:
    assert not setup.jobs.defer(job(), 2_000)
    setup.put_job(job())
    assert setup.jobs.defer(job(), 2_000)
    assert (due(setup, 1_999), due(setup, 2_000)) == ([], [1])
    setup.jobs.end(job(), {"status": "failed"}, 6, allowed=OPEN)
    assert not setup.jobs.defer(job(), 3_000)


def test_what_is_due_comes_page_by_page_longest_overdue_first(setup: Setup) -> None:
    for number in (7, 5, 6, 4, 1, 3, 2):
        setup.put_job(job(number))
    setup.put_job(job(8, open="batch"))
    assert due(setup, 1_006) == [1, 2, 3, 4, 5, 6]
    assert len(setup.jobs.due("response", 1_006).jobs) == 3


def test_objects_are_read_up_to_a_limit_and_deleted(setup: Setup) -> None:
    assert setup.objects.read("jobs/a", 10) is None
    setup.put_object("jobs/a", b"0123456789ab")
    setup.put_object("jobs/b:c ü", b"")
    assert setup.objects.read("jobs/a", 10) == b"0123456789"
    assert setup.objects.read("jobs/a", 100) == b"0123456789ab"
    assert setup.objects.read("jobs/b:c ü", 10) == b""
    setup.objects.delete(["jobs/a", "jobs/never"])
    assert setup.objects.read("jobs/a", 10) is None
    assert setup.objects.read("jobs/b:c ü", 10) == b""


def test_events_arrive(setup: Setup) -> None:
    event = {
        "event_id": "evt_1",
        "type": "response.completed",
        "created_at": 5,
        "client": "ü",
        "id": "resp_1",
    }
    setup.events.send(event)
    assert setup.received() == [event]


def test_an_execution_is_started_once_and_known_by_its_name(setup: Setup) -> None:
    name = "1" * 32
    assert setup.executions.status(name) is None
    setup.executions.start(name, {"owner": OWNER, "batch_id": f"batch_{name}"})
    assert setup.executions.status(name) == "RUNNING"
    setup.fail_execution(name)
    setup.executions.start(name, {"owner": OWNER, "batch_id": f"batch_{name}", "again": True})
    assert setup.executions.status(name) == "ABORTED"


NAME = f"twin-test-{'1' * 32}-0"


def test_a_running_transform_job_is_stopped() -> None:
    fake = FakeTransforms()
    fake.running.add(NAME)
    assert fake.stop(NAME)
    sagemaker: Any = boto3.client("sagemaker", region_name="us-east-1")
    with Stubber(sagemaker) as stub:
        stub.add_response("stop_transform_job", {}, {"TransformJobName": NAME})
        assert SageMakerTransforms(sagemaker).stop(NAME)


@pytest.mark.parametrize("code", ["ResourceNotFound", "ValidationException"])
def test_a_transform_job_that_does_not_run_is_passed_over(code: str) -> None:
    assert not FakeTransforms().stop(NAME)
    sagemaker: Any = boto3.client("sagemaker", region_name="us-east-1")
    with Stubber(sagemaker) as stub:
        stub.add_client_error("stop_transform_job", code)
        assert not SageMakerTransforms(sagemaker).stop(NAME)


def test_other_refusals_are_raised() -> None:
    clients: dict[str, Any] = {
        name: boto3.client(name, region_name="us-east-1")
        for name in ("sagemaker", "stepfunctions", "dynamodb", "s3")
    }
    machine = StateMachineExecutions(clients["stepfunctions"], "arn:aws:states:us-east-1:1:stateMachine:m")
    calls: list[tuple[str, str, Callable[[], object]]] = [
        ("sagemaker", "stop_transform_job", lambda: SageMakerTransforms(clients["sagemaker"]).stop(NAME)),
        ("stepfunctions", "describe_execution", lambda: machine.status(NAME)),
        ("stepfunctions", "start_execution", lambda: machine.start(NAME, {})),
        ("dynamodb", "update_item", lambda: DynamoJobs(clients["dynamodb"], TABLE).defer(job(), 5)),
        ("s3", "get_object", lambda: S3Objects(clients["s3"], BUCKET).read("jobs/a", 5)),
    ]
    for service, operation, call in calls:
        with Stubber(clients[service]) as stub:
            stub.add_client_error(operation, "AccessDenied", http_status_code=403)
            with pytest.raises(ClientError, match="AccessDenied"):
                call()


@pytest.mark.usefixtures("aws")
def test_a_secret_is_read_once_until_it_is_forgotten() -> None:
    secretsmanager: Any = boto3.client("secretsmanager")
    secretsmanager.create_secret(Name="hook", SecretString="first")
    secrets = SecretsManagerSecrets(secretsmanager)
    assert secrets.read("hook") == "first"
    secretsmanager.put_secret_value(SecretId="hook", SecretString="second")
    assert secrets.read("hook") == "first"
    secrets.forget("hook")
    assert secrets.read("hook") == "second"
