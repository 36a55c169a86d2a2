"""What AWS's services are sent for jobs, and what their refusals mean."""

from __future__ import annotations

import json

import httpcore
import pytest
from orchestrator.aws.client import AwsClient
from orchestrator.aws.credentials import Credentials
from orchestrator.aws.json_service import JsonService
from orchestrator.errors import ModelUnavailableError, ThrottledError
from orchestrator.jobs import batches
from orchestrator.jobs.asynchronous import (
    SageMakerAsynchronousModel,
    SubmissionUnknownError,
    Submitted,
)
from orchestrator.jobs.errors import JobsUnavailableError, RecordChangedError, RecordExistsError
from orchestrator.jobs.objects import S3Objects
from orchestrator.jobs.queue import SqsQueue
from orchestrator.jobs.table import ATTEMPTS, DynamoDbTable
from prompting.errors import ApiError

from tests.orchestrator.aws_stub import AwsStub, Reply, error_reply, json_reply

pytestmark = pytest.mark.anyio

Aws = tuple[AwsStub, str]
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:twin-test-batch"
ACCEPTED = Reply(
    [b'{"InferenceId": "i"}'],
    202,
    {
        "x-amzn-sagemaker-outputlocation": "s3://exchange/jobs/asynchronous/output/1.out",
        "x-amzn-sagemaker-failurelocation": "s3://exchange/jobs/asynchronous/failure/1-error.out",
    },
)


def client(pool: httpcore.AsyncConnectionPool, url: str, service: str) -> AwsClient:
    return AwsClient(
        pool,
        base_url=url,
        signing_name=service,
        region="us-east-1",
        credentials=lambda: Credentials("AKID", "secret", None),
        backoff_seconds=0.001,
    )


def model(
    pool: httpcore.AsyncConnectionPool, url: str, *, answer_seconds: float = 5
) -> SageMakerAsynchronousModel:
    return SageMakerAsynchronousModel(
        client(pool, url, "sagemaker"),
        endpoint_name="twin-test-asynchronous",
        bucket="exchange",
        request_ttl=3600,
        invocation_timeout=900,
        answer_seconds=answer_seconds,
    )


def table(pool: httpcore.AsyncConnectionPool, url: str) -> DynamoDbTable:
    service = JsonService(client(pool, url, "dynamodb"), "DynamoDB_20120810", timeout_seconds=0.5)
    return DynamoDbTable(service, "jobs", backoff_seconds=0.001)


class TestAsynchronousModel:
    async def test_a_request_goes_inline_with_its_limits(
        self, aws: Aws, pool: httpcore.AsyncConnectionPool
    ) -> None:
        stub, url = aws
        stub.script(ACCEPTED)
        submitted = await model(pool, url).submit("ada:resp_1", b'{"a": 1}')
        assert submitted == Submitted(
            "jobs/asynchronous/output/1.out", "jobs/asynchronous/failure/1-error.out"
        )
        [call] = stub.calls
        assert call.path == "/endpoints/twin-test-asynchronous/async-invocations"
        assert call.body == {"a": 1}
        own = {name: value for name, value in call.headers.items() if name.startswith("x-amzn-sagemaker")}
        assert own == {
            "x-amzn-sagemaker-content-type": "application/json",
            "x-amzn-sagemaker-accept": "application/json",
            "x-amzn-sagemaker-inference-id": "ada:resp_1",
            "x-amzn-sagemaker-requestttlseconds": "3600",
            "x-amzn-sagemaker-invocationtimeoutseconds": "900",
        }

    async def test_an_object_goes_by_its_address(self, aws: Aws, pool: httpcore.AsyncConnectionPool) -> None:
        stub, url = aws
        stub.script(ACCEPTED)
        await model(pool, url).submit_object("ada:resp_1", "jobs/asynchronous/input/resp_1.json")
        [call] = stub.calls
        assert call.body is None
        address = call.headers["x-amzn-sagemaker-inputlocation"]
        assert address == "s3://exchange/jobs/asynchronous/input/resp_1.json"

    @pytest.mark.parametrize(
        ("reply", "failure"),
        [
            (error_reply(400, "ThrottlingException"), ThrottledError),
            (error_reply(503, "ServiceUnavailable"), ModelUnavailableError),
            (error_reply(400, "ValidationError", Message="Endpoint not found"), ModelUnavailableError),
            (error_reply(403, "AccessDeniedException"), ModelUnavailableError),
        ],
    )
    async def test_a_refusal_is_definite(
        self, aws: Aws, pool: httpcore.AsyncConnectionPool, reply: Reply, failure: type[ApiError]
    ) -> None:
        stub, url = aws
        stub.script(reply)
        with pytest.raises(failure):
            await model(pool, url).submit("ada:resp_1", b"{}")

    @pytest.mark.parametrize(
        "reply",
        [
            error_reply(500, "InternalFailure"),
            Reply([b"{"], cut=True),
            Reply([0.5, b"{}"]),
            Reply([b"{}"], 202),
        ],
        ids=["internal failure", "cut", "too slow", "without places"],
    )
    async def test_whatever_may_have_been_taken_is_unknown(
        self, aws: Aws, pool: httpcore.AsyncConnectionPool, reply: Reply
    ) -> None:
        stub, url = aws
        stub.script(reply)
        with pytest.raises(SubmissionUnknownError):
            await model(pool, url, answer_seconds=0.2).submit("ada:resp_1", b"{}")
        assert len(stub.calls) == 1

    async def test_without_a_connection_nothing_was_taken(self, pool: httpcore.AsyncConnectionPool) -> None:
        with pytest.raises(ModelUnavailableError):
            await model(pool, "http://127.0.0.1:1").submit("ada:resp_1", b"{}")


class TestTable:
    async def test_operations_are_named_in_a_header(
        self, aws: Aws, pool: httpcore.AsyncConnectionPool
    ) -> None:
        stub, url = aws
        stub.script(json_reply({}))
        assert await table(pool, url).get("ada", "resp_1") is None
        [call] = stub.calls
        assert (call.path, call.headers["x-amz-target"]) == ("/", "DynamoDB_20120810.GetItem")
        assert call.headers["content-type"] == "application/x-amz-json-1.0"
        assert call.body["ConsistentRead"] is True

    async def test_reading_is_tried_again(self, aws: Aws, pool: httpcore.AsyncConnectionPool) -> None:
        stub, url = aws
        stub.script(error_reply(500, "InternalServerError"), json_reply({}))
        assert await table(pool, url).get("ada", "resp_1") is None
        stub.script(Reply([b"{"], cut=True))
        with pytest.raises(JobsUnavailableError):
            await table(pool, url).get("ada", "resp_1")

    @pytest.mark.parametrize("reply", [error_reply(500, "InternalServerError"), Reply([1.0, b"{}"])])
    async def test_writing_is_not(self, aws: Aws, pool: httpcore.AsyncConnectionPool, reply: Reply) -> None:
        """What was written the first time would be taken for another's."""
        stub, url = aws
        stub.script(reply)
        with pytest.raises(JobsUnavailableError):
            await table(pool, url).put_new({"owner": "ada", "id": "resp_1", "created_at": 1})
        assert len(stub.calls) == 1

    @pytest.mark.parametrize(
        "reply",
        [
            error_reply(400, "TransactionConflictException"),
            error_reply(
                400,
                "TransactionCanceledException",
                CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}],
            ),
        ],
    )
    async def test_a_write_that_was_in_anothers_way_is_tried_again(
        self, aws: Aws, pool: httpcore.AsyncConnectionPool, reply: Reply
    ) -> None:
        stub, url = aws
        first, second = ({"owner": "ada", "id": id_, "created_at": 1} for id_ in ("a", "b"))
        stub.script(reply, reply, json_reply({}))
        await table(pool, url).put_new(first, second)
        assert len(stub.calls) == 3
        stub.script(reply)
        with pytest.raises(JobsUnavailableError):
            await table(pool, url).put_new(first, second)
        assert len(stub.calls) == 3 + ATTEMPTS

    async def test_conditions_that_do_not_hold(self, aws: Aws, pool: httpcore.AsyncConnectionPool) -> None:
        stub, url = aws
        record = {"owner": "ada", "id": "resp_1", "created_at": 1}
        stub.script(error_reply(400, "ConditionalCheckFailedException"))
        with pytest.raises(RecordExistsError):
            await table(pool, url).put_new(record)
        with pytest.raises(RecordChangedError):
            await table(pool, url).change("ada", "resp_1", allowed={"queued"}, fields={"submitted": True})
        reasons = [{"Code": "ConditionalCheckFailed"}, {"Code": "TransactionConflict"}]
        stub.script(error_reply(400, "TransactionCanceledException", CancellationReasons=reasons))
        with pytest.raises(RecordExistsError):
            await table(pool, url).put_new(record, record)


class TestObjects:
    @pytest.mark.parametrize(
        "reply", [Reply([b"<Error/>"], 403), Reply([b"a"], cut=True), Reply([0.5, b"a"]), Reply([b"a", 0.5])]
    )
    async def test_a_failure_is_no_missing_object(
        self, aws: Aws, pool: httpcore.AsyncConnectionPool, reply: Reply
    ) -> None:
        stub, url = aws
        stub.script(reply)
        with pytest.raises(JobsUnavailableError):
            await S3Objects(client(pool, url, "s3"), answer_seconds=0.2).get("a")

    async def test_a_presigned_address_says_how_long_it_holds(
        self, pool: httpcore.AsyncConnectionPool
    ) -> None:
        objects = S3Objects(client(pool, "https://exchange.test", "s3"))
        url = objects.presigned_put("jobs/a b", seconds=600, content_length=3)
        assert url.startswith("https://exchange.test/jobs/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
        assert "&X-Amz-Expires=600&" in url
        assert "&X-Amz-SignedHeaders=content-length%3Bhost&" in url


class TestQueue:
    async def test_a_message_is_json(self, aws: Aws, pool: httpcore.AsyncConnectionPool) -> None:
        stub, url = aws
        stub.script(json_reply({"MessageId": "1"}), error_reply(500, "InternalError"))
        queue = SqsQueue(JsonService(client(pool, url, "sqs"), "AmazonSQS"), "https://sqs/1/webhooks")
        await queue.send({"id": "ä"})
        [call] = stub.calls
        assert call.headers["x-amz-target"] == "AmazonSQS.SendMessage"
        assert call.body["QueueUrl"] == "https://sqs/1/webhooks"
        assert json.loads(call.body["MessageBody"]) == {"id": "ä"}
        with pytest.raises(JobsUnavailableError):
            await queue.send({})


class TestBatches:
    async def test_an_execution_is_started_by_name(
        self, aws: Aws, pool: httpcore.AsyncConnectionPool
    ) -> None:
        stub, url = aws
        stub.script(json_reply({"executionArn": "e"}), error_reply(400, "ExecutionAlreadyExists"))
        machine = batches.StepFunctions(JsonService(client(pool, url, "states"), "AWSStepFunctions"), ARN)
        for _ in range(2):
            await machine.start("night", {"owner": "ada"})
        assert stub.calls[0].headers["x-amz-target"] == "AWSStepFunctions.StartExecution"
        assert stub.calls[0].body == {"stateMachineArn": ARN, "name": "night", "input": '{"owner":"ada"}'}
        stub.script(error_reply(400, "StateMachineDoesNotExist"))
        with pytest.raises(JobsUnavailableError):
            await machine.start("night", {})

    async def test_a_job_is_stopped_if_it_runs(self, aws: Aws, pool: httpcore.AsyncConnectionPool) -> None:
        stub, url = aws
        service = JsonService(client(pool, url, "sagemaker"), "SageMaker", version="1.1")
        jobs = batches.SageMakerTransformJobs(service)
        stub.script(
            Reply([b""]), error_reply(400, "ResourceNotFound"), error_reply(400, "ValidationException")
        )
        for _ in range(3):
            await jobs.stop("twin-test-1-0")
        assert stub.calls[0].headers["x-amz-target"] == "SageMaker.StopTransformJob"
        assert stub.calls[0].headers["content-type"] == "application/x-amz-json-1.1"
        assert stub.calls[0].body == {"TransformJobName": "twin-test-1-0"}
        stub.script(error_reply(500, "InternalFailure"))
        with pytest.raises(JobsUnavailableError):
            await jobs.stop("twin-test-1-0")
