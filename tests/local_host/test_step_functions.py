"""State machines with functions, a distributed map and a transform job, through MiniStack."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.local_host.conftest import LocalCloud, deploy, free_port
from tests.local_host.workflow import MACHINE, workflow_template
from twin.local import lifecycle
from twin.local.options import CloudOptions

ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


class Workflow:
    """The deployed stack."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.states = cloud.client("stepfunctions")
        self.sagemaker = cloud.client("sagemaker")
        self.objects = cloud.client("s3")
        self.queues = cloud.client("sqs")

    def start(self, *, machine: str = "batch", model: str = "Model", lines: int = 3, **how: Any) -> str:
        """Start an execution over an input of some lines; its name."""
        name = uuid.uuid4().hex
        body = {"messages": [{"role": "user", "content": "?"}]}
        content = "".join(json.dumps({"line": line, "body": body}) + "\n" for line in range(lines))
        self.objects.put_object(Bucket=self.bucket, Key=f"{name}/in/0.jsonl", Body=content.encode())
        given = {"how": {"shards": 3, **how}, "model": self.cloud.outputs[model]}
        arn = f"{MACHINE}:test-{machine}"
        self.states.start_execution(stateMachineArn=arn, name=name, input=json.dumps(given))
        return name

    @property
    def bucket(self) -> str:
        return self.cloud.outputs["Bucket"]

    def describe(self, name: str, machine: str = "batch") -> dict[str, Any]:
        found: dict[str, Any] = self.states.describe_execution(executionArn=execution(name, machine))
        return found

    def end(self, name: str, machine: str = "batch") -> dict[str, Any]:
        """The execution when it has ended; it is asked again and again, as a client has to."""
        for _ in range(300):
            found = self.describe(name, machine)
            if found["status"] in ENDED:
                return found
            threading.Event().wait(0.1)
        raise AssertionError(f"execution {name} does not end")

    def fault(self, name: str, **order: Any) -> None:
        """Order a fault for the execution's transform jobs."""
        fault = {"job": f"test-{name}", **order}
        answer = urllib3.request("POST", f"{self.cloud.options.url}/_local/faults", json=fault)
        assert answer.status == 200, answer.data

    def job(self, name: str, attempt: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_transform_job(
            TransformJobName=f"test-{name}-{attempt}"
        )
        return found

    def job_begins(self, name: str) -> None:
        """Wait for the event that the execution's first job has begun."""
        while True:
            answer = self.queues.receive_message(QueueUrl=self.cloud.outputs["Events"], WaitTimeSeconds=20)
            for message in answer.get("Messages", ()):
                self.queues.delete_message(
                    QueueUrl=self.cloud.outputs["Events"], ReceiptHandle=message["ReceiptHandle"]
                )
                if json.loads(message["Body"])["detail"]["TransformJobName"] == f"test-{name}-0":
                    return

    def events(self, name: str) -> list[dict[str, Any]]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution(name))
        return [event for page in pages for event in page["events"]]


def execution(name: str, machine: str = "batch") -> str:
    return f"{MACHINE.replace('stateMachine', 'execution')}:test-{machine}:{name}"


def failure_of(found: dict[str, Any]) -> dict[str, Any] | None:
    """The failure that the workflow's last step was told."""
    assert found["status"] == "SUCCEEDED", found
    failure: dict[str, Any] | None = json.loads(found["output"])["failure"]
    return failure


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory, package: Callable[..., bytes]) -> Iterator[Workflow]:
    options = CloudOptions(
        tmp_path_factory.mktemp("workflow") / "state",
        free_port(),
        time_to_first_token_ms=0,
        inter_token_latency_ms=0,
    )
    lifecycle.start(options)
    try:
        yield started(LocalCloud(options), package)
    finally:
        lifecycle.stop(options.state_dir)


def started(cloud: LocalCloud, package: Callable[..., bytes]) -> Workflow:
    """The stack, deployed to a new cloud."""
    objects = cloud.client("s3")
    objects.create_bucket(Bucket="code")
    objects.put_object(Bucket="code", Key="batch.zip", Body=package("batch"))
    return Workflow(LocalCloud(cloud.options, deploy(cloud, "workflow", workflow_template())))


def test_a_batch_runs_from_validation_to_its_last_step(workflow: Workflow) -> None:
    name = workflow.start(lines=5)
    found = workflow.end(name)
    assert failure_of(found) is None
    assert json.loads(found["output"])["step"] == "finish"
    job = workflow.job(name)
    assert job["TransformJobStatus"] == "Completed"
    written = workflow.objects.get_object(Bucket=workflow.bucket, Key=f"{name}/out/0.jsonl.out")
    rows = [json.loads(line) for line in written["Body"].read().splitlines()]
    assert [row["line"] for row in rows] == list(range(5))
    assert written["ServerSideEncryption"] == "aws:kms"


def test_the_task_gets_the_jobs_description(workflow: Workflow) -> None:
    """Names as in the API, times in milliseconds, and the tags by which Step Functions marks jobs."""
    name = workflow.start()
    workflow.end(name)
    outputs = [
        json.loads(event["taskSucceededEventDetails"]["output"])
        for event in workflow.events(name)
        if event["type"] == "TaskSucceeded" and "sagemaker" in event["taskSucceededEventDetails"]["resource"]
    ]
    (output,) = outputs
    assert output["TransformJobName"] == f"test-{name}-0"
    assert output["TransformJobStatus"] == "Completed"
    assert 1_500_000_000_000 < output["CreationTime"] <= output["TransformEndTime"]
    assert output["Tags"]["AWS_STEP_FUNCTIONS_EXECUTION_ARN"] == execution(name)


def test_a_job_that_fails_is_caught_with_its_description(workflow: Workflow) -> None:
    name = workflow.start(fails="none")
    workflow.fault(name, kind="model_error", record=2)
    failure = failure_of(workflow.end(name))
    assert failure is not None
    assert failure["Error"] == "States.TaskFailed"
    cause = json.loads(failure["Cause"])
    assert cause["TransformJobStatus"] == "Failed"
    assert cause["FailureReason"] == "AlgorithmError: See job logs for more information"


def test_a_job_that_was_stopped_is_a_failed_task(workflow: Workflow) -> None:
    name = workflow.start()
    workflow.fault(name, kind="stall", seconds=60)
    workflow.job_begins(name)
    workflow.sagemaker.stop_transform_job(TransformJobName=f"test-{name}-0")
    failure = failure_of(workflow.end(name))
    assert failure is not None
    assert failure["Error"] == "States.TaskFailed"
    assert json.loads(failure["Cause"])["TransformJobStatus"] == "Stopped"


def test_each_attempt_has_a_job_of_its_own_name(workflow: Workflow) -> None:
    """The first name is taken; `$$.State.RetryCount` makes the next one."""
    name = uuid.uuid4().hex
    request = {
        "TransformJobName": f"test-{name}-0",
        "ModelName": workflow.cloud.outputs["Model"],
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{workflow.bucket}/none/"}
            }
        },
        "TransformOutput": {"S3OutputPath": f"s3://{workflow.bucket}/none/"},
        "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
    }
    workflow.sagemaker.create_transform_job(**request)
    workflow.objects.put_object(
        Bucket=workflow.bucket, Key=f"{name}/in/0.jsonl", Body=b'{"line":0,"body":{"messages":[]}}\n'
    )
    given = {"how": {"shards": 1}, "model": workflow.cloud.outputs["Model"]}
    workflow.states.start_execution(
        stateMachineArn=f"{MACHINE}:test-batch", name=name, input=json.dumps(given)
    )
    failure = failure_of(workflow.end(name))
    assert failure is not None
    assert json.loads(failure["Cause"])["TransformJobName"] == f"test-{name}-1"


def test_a_task_that_does_not_wait_gets_the_jobs_arn(workflow: Workflow) -> None:
    name = uuid.uuid4().hex
    workflow.states.start_execution(stateMachineArn=f"{MACHINE}:test-direct", name=name)
    found = workflow.end(name, "direct")
    assert found["status"] == "SUCCEEDED"
    output = json.loads(found["output"])
    assert output["TransformJobArn"].endswith(f":transform-job/test-{name}")
    assert output["SdkHttpMetadata"]["HttpStatusCode"] == 200
    tags = workflow.sagemaker.list_tags(ResourceArn=output["TransformJobArn"])["Tags"]
    assert tags == []


def test_the_time_limit_of_the_state_stops_the_job(workflow: Workflow) -> None:
    name = workflow.start()
    workflow.fault(name, kind="stall", seconds=60)
    failure = failure_of(workflow.end(name))
    assert failure is not None
    assert failure["Error"] == "States.Timeout"
    assert workflow.job(name)["TransformJobStatus"] in ("Stopping", "Stopped")


def test_the_time_limit_of_the_machine_ends_the_execution(workflow: Workflow) -> None:
    name = workflow.start(shards=8, shard_seconds=4)
    found = workflow.end(name)
    assert found["status"] == "TIMED_OUT"
    assert found["error"] == "States.Timeout"
    assert workflow.events(name)[-1]["type"] == "ExecutionTimedOut"


def test_stopping_an_execution_stops_its_job(workflow: Workflow) -> None:
    name = workflow.start()
    workflow.fault(name, kind="stall", seconds=60)
    workflow.job_begins(name)
    workflow.states.stop_execution(executionArn=execution(name), cause="enough")
    found = workflow.end(name)
    assert (found["status"], found["cause"]) == ("ABORTED", "enough")
    for _ in range(100):
        if workflow.job(name)["TransformJobStatus"] == "Stopped":
            break
        threading.Event().wait(0.05)
    assert workflow.job(name)["TransformJobStatus"] == "Stopped"
    assert workflow.describe(name)["status"] == "ABORTED"
    assert workflow.events(name)[-1]["type"] == "ExecutionAborted"


def test_stopping_an_execution_starts_no_more_items_of_a_map(workflow: Workflow) -> None:
    name = workflow.start(shards=20, shard_seconds=1)
    run = map_run(workflow, name)
    workflow.states.stop_execution(executionArn=execution(name))
    for _ in range(100):
        found = workflow.states.describe_map_run(mapRunArn=run)
        if found["status"] == "ABORTED":
            break
        threading.Event().wait(0.1)
    counts = found["executionCounts"]
    assert found["status"] == "ABORTED"
    assert counts["running"] == counts["pending"] == 0
    assert counts["aborted"] >= 16
    assert counts["aborted"] + counts["succeeded"] == 20


def map_run(workflow: Workflow, name: str) -> str:
    for _ in range(100):
        runs = workflow.states.list_map_runs(executionArn=execution(name))["mapRuns"]
        if runs:
            return str(runs[0]["mapRunArn"])
        threading.Event().wait(0.1)
    raise AssertionError("no map run begins")


def test_starting_again_with_the_same_name_and_input_is_the_same_execution(workflow: Workflow) -> None:
    name = workflow.start(shards=1, shard_seconds=1)
    given = workflow.describe(name)["input"]
    again = workflow.states.start_execution(stateMachineArn=f"{MACHINE}:test-batch", name=name, input=given)
    assert again["executionArn"] == execution(name)
    workflow.end(name)
    with pytest.raises(workflow.states.exceptions.ExecutionAlreadyExists):
        workflow.states.start_execution(stateMachineArn=f"{MACHINE}:test-batch", name=name, input=given)


def test_a_failed_step_is_retried_and_what_follows_runs_all_the_same(workflow: Workflow) -> None:
    name = workflow.start(fails="validate")
    failure = failure_of(workflow.end(name))
    assert failure is not None
    assert failure["Error"] == "ValueError"
    assert json.loads(failure["Cause"])["errorMessage"] == "validate fails"
    resources = [event["type"] for event in workflow.events(name)]
    assert resources.count("TaskFailed") == 2


@pytest.mark.parametrize(
    ("missing", "error"),
    [
        ("states:StartExecution", "States.Permissions"),
        ("iam:PassRole", "SageMaker.AmazonSageMakerException"),
        ("sagemaker:AddTags", "SageMaker.AmazonSageMakerException"),
    ],
)
def test_a_role_needs_each_permission(workflow: Workflow, missing: str, error: str) -> None:
    machine = f"denied-{missing.replace(':', '-')}"
    name = workflow.start(machine=machine)
    failure = failure_of(workflow.end(name, machine))
    assert failure is not None
    assert failure["Error"] == error
    assert f"is not authorized to perform: {missing} on resource: " in failure["Cause"]


def test_functions_are_invoked_as_the_machines_role(workflow: Workflow) -> None:
    machine = "denied-lambda-InvokeFunction"
    name = workflow.start(machine=machine)
    found = workflow.end(name, machine)
    assert (found["status"], found["error"]) == ("FAILED", "Lambda.AWSLambdaException")
    assert "is not authorized to perform: lambda:InvokeFunction on resource: " in found["cause"]


def test_a_job_works_with_the_rights_of_its_models_role(workflow: Workflow) -> None:
    name = workflow.start(model="SealedModel")
    failure = failure_of(workflow.end(name))
    assert failure is not None
    assert json.loads(failure["Cause"])["FailureReason"] == "ClientError: See job logs for more information"
    logs = workflow.cloud.client("logs")
    events = logs.get_log_events(
        logGroupName="/aws/sagemaker/TransformJobs", logStreamName=f"test-{name}-0/data-log"
    )["events"]
    assert "is not authorized to perform: s3:PutObject on resource: " in events[-1]["message"]


def test_a_machine_whose_role_may_not_manage_the_rule_is_refused(workflow: Workflow) -> None:
    content = workflow_template()
    machine = content["Resources"]["MachineBatch"]
    content["Resources"] = {
        name: value
        for name, value in content["Resources"].items()
        if not name.startswith(("Machine", "Role"))
    }
    content["Resources"]["Machine"] = machine
    machine["Properties"] |= {"StateMachineName": "refused", "RoleArn": {"Fn::GetAtt": ["ModelRole", "Arn"]}}
    content["Outputs"] = {}
    stacks = workflow.cloud.client("cloudformation")
    stacks.create_stack(
        StackName="refused",
        TemplateBody=json.dumps(content),
        Capabilities=["CAPABILITY_IAM"],
        OnFailure="DO_NOTHING",
    )
    waiter = stacks.get_waiter("stack_create_complete")
    with pytest.raises(Exception, match="CREATE_FAILED"):
        waiter.wait(StackName="refused", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    reasons = [
        event.get("ResourceStatusReason", "")
        for event in stacks.describe_stack_events(StackName="refused")["StackEvents"]
    ]
    assert [reason for reason in reasons if "is not authorized to create managed-rule." in reason]


def test_an_execution_that_the_local_cloud_left_behind_has_failed(
    tmp_path: Path, package: Callable[..., bytes]
) -> None:
    options = CloudOptions(tmp_path / "state", free_port())
    lifecycle.start(options)
    try:
        workflow = started(LocalCloud(options), package)
        name = workflow.start()
        workflow.fault(name, kind="stall", seconds=60)
        workflow.job_begins(name)
        lifecycle.stop(options.state_dir)
        lifecycle.start(options)
        found = workflow.end(name)
        assert (found["status"], found["error"]) == ("FAILED", "States.ServiceRestart")
        job = workflow.job(name)
        assert job["TransformJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError: ")
    finally:
        lifecycle.stop(options.state_dir)
