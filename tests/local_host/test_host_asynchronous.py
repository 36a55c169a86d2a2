"""Asynchronous endpoints in the whole local cloud: S3, SNS, SQS, functions and their rights."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_host import asynchronous
from tests.local_host.conftest import LocalCloud, deploy
from twin.local import lifecycle

BODY = json.dumps({"messages": [{"role": "user", "content": "hello"}]})


@pytest.fixture(scope="session")
def jobs(cloud: Any) -> LocalCloud:
    """The stack with the endpoint `jobs`, in the folder's cloud."""
    return LocalCloud(cloud.options, deploy(cloud, "jobs", asynchronous.template()))


def lines(cloud: LocalCloud, beginning: str, wanted: Callable[[list[str]], bool]) -> list[str]:
    """What the hearing function wrote, once it is what is wanted."""
    path = cloud.options.layout.logs / f"{cloud.outputs['Hearer']}.log"
    deadline = time.monotonic() + 30
    while True:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        found = [line.removeprefix(beginning) for line in text.splitlines() if line.startswith(beginning)]
        if wanted(found):
            return found
        assert time.monotonic() < deadline, f"the function heard {found}"
        time.sleep(0.02)


def heard(cloud: LocalCloud, inference_id: str) -> dict[str, Any]:
    """The notification about a request, as the function behind the queue got it."""
    records = lines(cloud, "record ", lambda found: any(inference_id in line for line in found))
    messages = [json.loads(record) for record in records if inference_id in record]
    assert len(messages) == 1
    return dict(messages[0])


def invoke(cloud: LocalCloud, inference_id: str, body: str = BODY) -> dict[str, Any]:
    runtime = cloud.client("sagemaker-runtime")
    answer: dict[str, Any] = runtime.invoke_endpoint_async(
        EndpointName="jobs", Body=body, InferenceId=inference_id, ContentType="application/json"
    )
    return answer


def object_at(cloud: LocalCloud, location: str) -> dict[str, Any]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    found: dict[str, Any] = cloud.client("s3").get_object(Bucket=bucket, Key=key)
    return found


def test_a_result_goes_through_s3_sns_and_sqs_to_a_function(jobs: LocalCloud) -> None:
    answer = invoke(jobs, "first-one")
    message = heard(jobs, "first-one")
    assert message["invocationStatus"] == "Completed"
    assert message["responseParameters"]["outputLocation"] == answer["OutputLocation"]
    stored = object_at(jobs, answer["OutputLocation"])
    assert json.loads(stored["Body"].read())["object"] == "chat.completion"
    assert stored["ServerSideEncryption"] == "aws:kms"


def test_a_failure_does_too(jobs: LocalCloud) -> None:
    answer = invoke(jobs, "second-one", "{}")
    assert heard(jobs, "second-one")["invocationStatus"] == "Failed"
    stored = object_at(jobs, answer["FailureLocation"])
    assert json.loads(stored["Body"].read())["error"]["type"] == "BadRequestError"


def test_an_endpoint_at_zero_wakes_by_its_alarm_and_policy(jobs: LocalCloud) -> None:
    sagemaker = jobs.client("sagemaker")
    zero = [{"VariantName": "main", "DesiredInstanceCount": 0}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName="jobs", DesiredWeightsAndCapacities=zero)
    invoke(jobs, "waking-one")
    assert heard(jobs, "waking-one")["invocationStatus"] == "Completed"
    variant = sagemaker.describe_endpoint(EndpointName="jobs")["ProductionVariants"][0]
    assert variant["CurrentInstanceCount"] == 1


def test_a_queue_that_allows_no_delivery_gets_none(jobs: LocalCloud) -> None:
    sqs, sns = jobs.client("sqs"), jobs.client("sns")
    closed = sqs.create_queue(QueueName="closed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=closed, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=jobs.outputs["Success"], Protocol="sqs", Endpoint=arn)
    invoke(jobs, "closed-one")
    heard(jobs, "closed-one")
    count = sqs.get_queue_attributes(QueueUrl=closed, AttributeNames=["ApproximateNumberOfMessages"])
    assert count["Attributes"]["ApproximateNumberOfMessages"] == "0"


def call(cloud: LocalCloud, function: str, service: str, target: str, body: dict[str, Any]) -> Any:
    """Status and answer of a JSON call that a function makes with its role's rights."""
    request = {
        "service": service,
        "method": "POST",
        "path": "/",
        "body": json.dumps(body),
        "headers": {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": target,
        },
    }
    answer = cloud.invoke(function, {"action": "call", "request": request})
    return answer["status"], answer["text"]


def invoke_from_function(cloud: LocalCloud, endpoint: str) -> Any:
    request = {
        "service": "sagemaker",
        "method": "POST",
        "path": f"/endpoints/{endpoint}/async-invocations",
        "body": BODY,
        "headers": {"x-amzn-sagemaker-inference-id": "from-function"},
    }
    answer = cloud.invoke(cloud.outputs["Caller"], {"action": "call", "request": request})
    return answer["status"], answer["text"]


def test_a_function_may_invoke_its_endpoint_and_no_other(jobs: LocalCloud) -> None:
    assert invoke_from_function(jobs, "jobs")[0] == 202
    status, text = invoke_from_function(jobs, "other")
    assert status == 403
    assert "sagemaker:InvokeEndpointAsync" in text
    assert "endpoint/other" in text


@pytest.mark.parametrize(
    ("service", "target", "body", "status"),
    [
        ("sagemaker", "SageMaker.StopTransformJob", {"TransformJobName": "other-1"}, 403),
        ("sagemaker", "SageMaker.StopTransformJob", {"TransformJobName": "own-1"}, 400),
        ("sagemaker", "SageMaker.ListModels", {}, 403),
        ("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": "{Secret}"}, 200),
        ("secretsmanager", "secretsmanager.DescribeSecret", {"SecretId": "{Secret}"}, 403),
        (
            "states",
            "AWSStepFunctions.StartExecution",
            {"stateMachineArn": "{Workflow}", "name": "one", "input": "{}"},
            200,
        ),
        ("states", "AWSStepFunctions.ListExecutions", {"stateMachineArn": "{Workflow}"}, 403),
        (
            "dynamodb",
            "DynamoDB_20120810.PutItem",
            {"TableName": "{Table}", "Item": {"owner": {"S": "a"}, "id": {"S": "b"}}},
            200,
        ),
        (
            "dynamodb",
            "DynamoDB_20120810.GetItem",
            {"TableName": "{Table}", "Key": {"owner": {"S": "a"}, "id": {"S": "b"}}},
            403,
        ),
        (
            "dynamodb",
            "DynamoDB_20120810.TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "{Table}", "Item": {"owner": {"S": "t"}, "id": {"S": "t"}}}}
                ]
            },
            200,
        ),
        (
            "dynamodb",
            "DynamoDB_20120810.TransactWriteItems",
            {
                "TransactItems": [
                    {"Delete": {"TableName": "{Table}", "Key": {"owner": {"S": "t"}, "id": {"S": "t"}}}}
                ]
            },
            403,
        ),
    ],
)
def test_functions_calls_need_rights(
    jobs: LocalCloud, service: str, target: str, body: dict[str, Any], status: int
) -> None:
    """A transform job of the role's own is denied to nobody; there is none of that name."""
    text = json.dumps(body)
    for name in ("Secret", "Workflow", "Table"):
        text = text.replace(f"{{{name}}}", jobs.outputs[name])
    answered, said = call(jobs, jobs.outputs["Caller"], service, target, json.loads(text))
    assert answered == status, said
    assert ("AccessDenied" in said) == (status == 403)


def test_a_table_of_a_customers_key_needs_the_key(jobs: LocalCloud) -> None:
    names = jobs.client("cloudformation").list_stack_resources(StackName="jobs")["StackResourceSummaries"]
    bare = next(row["PhysicalResourceId"] for row in names if row["LogicalResourceId"] == "Bare")
    item = {"TableName": jobs.outputs["Table"], "Item": {"owner": {"S": "a"}, "id": {"S": "c"}}}
    status, text = call(jobs, bare, "dynamodb", "DynamoDB_20120810.PutItem", item)
    assert status == 403
    assert "kms:Decrypt" in text


def test_the_table_is_as_the_template_says(jobs: LocalCloud) -> None:
    tables, name = jobs.client("dynamodb"), jobs.outputs["Table"]
    table = tables.describe_table(TableName=name)["Table"]
    assert table["SSEDescription"]["SSEType"] == "KMS"
    assert ":key/" in table["SSEDescription"]["KMSMasterKeyArn"]
    assert [(index["IndexName"], index["IndexStatus"]) for index in table["GlobalSecondaryIndexes"]] == [
        ("open", "ACTIVE")
    ]
    backups = tables.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = tables.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "delete_at")


def test_an_event_reaches_its_function(jobs: LocalCloud) -> None:
    entry = {"Source": "host.test", "DetailType": "A Test", "Detail": "{}"}
    jobs.client("events").put_events(Entries=[entry])
    assert "A Test" in lines(jobs, "event ", bool)


def test_what_waits_survives_a_restart(fresh_options: Any, client_of: Any) -> None:
    """The endpoint stands at zero without a policy, so that the request waits until somebody scales it."""
    lifecycle.start(fresh_options)
    sagemaker, objects = client_of(fresh_options, "sagemaker"), client_of(fresh_options, "s3")
    objects.create_bucket(Bucket="exchange")
    sagemaker.create_model(ModelName="model", PrimaryContainer={"Image": "vllm"})
    variant = {
        "VariantName": "main",
        "ModelName": "model",
        "InstanceType": "ml.g6e.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="config",
        ProductionVariants=[variant],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://exchange/out"}},
    )
    sagemaker.create_endpoint(EndpointName="jobs", EndpointConfigName="config")

    def scale(instances: int) -> None:
        count = [{"VariantName": "main", "DesiredInstanceCount": instances}]
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="jobs", DesiredWeightsAndCapacities=count
        )

    scale(0)
    answer = client_of(fresh_options, "sagemaker-runtime").invoke_endpoint_async(
        EndpointName="jobs", Body=BODY
    )
    lifecycle.stop(fresh_options.state_dir)
    lifecycle.start(fresh_options)
    scale(1)
    key = answer["OutputLocation"].removeprefix("s3://exchange/")
    waiter = client_of(fresh_options, "s3").get_waiter("object_exists")
    waiter.wait(Bucket="exchange", Key=key, WaiterConfig={"Delay": 0, "MaxAttempts": 2000})
    assert json.loads(objects.get_object(Bucket="exchange", Key=key)["Body"].read())["model"]
