"""Transform jobs that run: splitting, joining, order, failure, stopping, through unmodified boto3."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.local_services.conftest import FAST_MODEL, refused
from tests.local_services.transforms import (
    BUCKET,
    FAST_RETRIES,
    TransformCloud,
    line,
    question,
    running,
)
from twin.local.services import ModelOptions, Services
from twin.local.services.transform import TransformOptions

SLOW_MODEL = ModelOptions.parse("extractive", time_to_first_token_ms=60_000, inter_token_latency_ms=0)
CLIENT_ERROR = "ClientError: See job logs for more information"
ALGORITHM_ERROR = "AlgorithmError: See job logs for more information"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[TransformCloud]:
    with running(tmp_path) as started:
        yield started


def order_fault(cloud: TransformCloud, **order: Any) -> None:
    answer = urllib3.request("POST", f"{cloud.cloud.url}/_local/faults", json=order)
    assert answer.status == 200, answer.data


def test_each_line_is_a_request_and_lines_keep_their_order(cloud: TransformCloud) -> None:
    """A fault delays the first line; the others are done before it."""
    cloud.write("a.jsonl", *(line(number) for number in range(30)))
    cloud.write("folder/b.jsonl", *(line(number) for number in range(30, 50)))
    order_fault(cloud, kind="stall", job="jo", record=1, seconds=0.2)
    job = cloud.run(TransformResources__InstanceCount=2)
    assert job["TransformJobStatus"] == "Completed"
    assert cloud.outputs() == ["a.jsonl.out", "folder/b.jsonl.out"]
    rows = [*cloud.read("a.jsonl"), *cloud.read("folder/b.jsonl")]
    assert [row["line"] for row in rows] == list(range(50))
    assert {tuple(row) for row in rows} == {("line", "SageMakerOutput")}
    assert all(row["SageMakerOutput"]["object"] == "chat.completion" for row in rows)
    assert cloud.objects.types["out/a.jsonl.out"] == ("application/json", None)


def test_times_and_settings_are_described(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1))
    job = cloud.run(TransformInput__CompressionType=None, TransformOutput__KmsKeyId="alias/key")
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert job["TransformInput"]["CompressionType"] == "None"
    assert job["TransformOutput"]["S3OutputPath"] == f"s3://{BUCKET}/out"
    assert job["MaxConcurrentTransforms"] == 4
    assert "FailureReason" not in job
    assert cloud.objects.types["out/a.jsonl.out"] == ("application/json", "alias/key")


def test_a_whole_object_is_one_request(cloud: TransformCloud) -> None:
    for name in ("a.json", "b.json", "c.json"):
        cloud.write(name, question(name))
    cloud.run(
        DataProcessing=None,
        BatchStrategy=None,
        TransformInput__SplitType="None",
        TransformOutput__AssembleWith="None",
    )
    assert cloud.outputs() == ["a.json.out", "b.json.out", "c.json.out"]
    assert json.loads(cloud.objects.contents["out/a.json.out"])["object"] == "chat.completion"
    assert not cloud.objects.contents["out/a.json.out"].endswith(b"\n")


def test_several_lines_go_together_up_to_the_payload(cloud: TransformCloud) -> None:
    """The stand-in takes one document: pretty-printed over lines, it is one only when they go together."""
    text = json.dumps(question("x"), indent=0)
    cloud.objects.contents["in/a.json"] = text.encode()
    job = cloud.run(DataProcessing=None, BatchStrategy="MultiRecord")
    assert job["TransformJobStatus"] == "Completed"
    assert len(cloud.read("a.json")) == 1


def test_joining_several_lines_needs_as_many_answers(cloud: TransformCloud) -> None:
    cloud.objects.contents["in/a.json"] = b'{"messages":[{"role":"user","content":"x"}]\n}\n'
    job = cloud.run(
        DataProcessing__InputFilter=None, DataProcessing__OutputFilter=None, BatchStrategy="MultiRecord"
    )
    assert job["FailureReason"] == CLIENT_ERROR
    expected = "Fail to join data: mismatched line count between the input and the output"
    assert cloud.logs[-1] == f"[sagemaker logs]: {BUCKET}/in/a.json: {expected}"


def test_compressed_input(cloud: TransformCloud) -> None:
    cloud.write("a.gz", line(1), line(2))
    cloud.objects.contents["in/a.gz"] = gzip.compress(cloud.objects.contents["in/a.gz"])
    cloud.objects.contents["in/b.gz"] = b"no archive"
    job = cloud.run(TransformInput__CompressionType="Gzip")
    assert job["FailureReason"] == CLIENT_ERROR
    assert cloud.outputs() == ["a.gz.out"]
    assert len(cloud.read("a.gz")) == 2


def test_a_manifest_names_the_objects(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1))
    cloud.write("b.jsonl", line(2))
    cloud.objects.contents["list.json"] = json.dumps([{"prefix": f"s3://{BUCKET}/in/"}, "b.jsonl"]).encode()
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": f"s3://{BUCKET}/list.json"}}
    cloud.run(TransformInput__DataSource=source)
    assert cloud.outputs() == ["b.jsonl.out"]


def test_an_input_that_is_no_object_is_joined_beside_the_answer(cloud: TransformCloud) -> None:
    cloud.objects.contents["in/a.jsonl"] = json.dumps([question("?")]).encode()
    cloud.run(DataProcessing__InputFilter="$[0]", DataProcessing__OutputFilter=None)
    (row,) = cloud.read("a.jsonl")
    assert row["SageMakerInput"] == [question("?")]
    assert row["SageMakerOutput"]["object"] == "chat.completion"


def test_no_input_fails(cloud: TransformCloud) -> None:
    job = cloud.run()
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        f'ClientError: No S3 objects found under S3 URL "s3://{BUCKET}/in/"'
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"not JSON\n", "Unable to parse the input as JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"line":1}\n', "Unable to apply the filter $.body: nothing matches $.body"),
        (b'{"body":"' + b"x" * 1024 * 1024 + b'"}\n', "Too much data for max payload size"),
    ],
)
def test_bad_data_fails_its_object_alone(cloud: TransformCloud, bad: bytes, message: str) -> None:
    cloud.write("a.jsonl", line(1))
    cloud.write("b.jsonl", line(2))
    cloud.objects.contents["in/b.jsonl"] += bad
    cloud.write("c.jsonl", line(3))
    job = cloud.run()
    assert (job["TransformJobStatus"], job["FailureReason"]) == ("Failed", CLIENT_ERROR)
    assert cloud.outputs() == ["a.jsonl.out", "c.jsonl.out"]
    assert cloud.logs[-1] == f"[sagemaker logs]: {BUCKET}/in/b.jsonl: {message}"


def test_a_refused_request_is_not_repeated(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1), line(2))
    order_fault(cloud, kind="model_error", job="job", record=2, status=400, message="too long")
    job = cloud.run()
    assert job["FailureReason"] == CLIENT_ERROR
    assert cloud.outputs() == []
    assert [entry.rpartition(": ")[2] for entry in cloud.logs[-2:]] == ["400", "too long"]


def test_failures_of_the_model_are_repeated(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", *(line(number) for number in range(5)))
    order_fault(cloud, kind="model_error", job="job", record=2, attempts=2)
    job = cloud.run(ModelClientConfig={"InvocationsMaxRetries": 2})
    assert job["TransformJobStatus"] == "Completed"
    assert len(cloud.read("a.jsonl")) == 5


def test_a_model_that_keeps_failing_fails_the_job(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1), line(2))
    cloud.write("b.jsonl", line(3))
    order_fault(cloud, kind="model_error", job="job", record=2)
    job = cloud.run(ModelClientConfig={"InvocationsMaxRetries": 2})
    assert job["FailureReason"] == ALGORITHM_ERROR
    assert cloud.outputs() == ["b.jsonl.out"]


def test_a_request_has_a_time_limit(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1))
    order_fault(cloud, kind="stall", job="job", seconds=60)
    client = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1}
    job = cloud.run(ModelClientConfig=client)
    assert job["FailureReason"] == ALGORITHM_ERROR
    assert cloud.logs[-1].endswith("a.jsonl: Unable to get response from algorithm")


def test_faults_of_jobs_leave_endpoints_and_other_jobs_alone(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1))
    order_fault(cloud, kind="model_error", job="other", status=400)
    assert cloud.run()["TransformJobStatus"] == "Completed"
    create_endpoint_of(cloud)
    answer = cloud.cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="ep", Body=json.dumps(question("?"))
    )
    assert json.loads(answer["Body"].read())["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            {"kind": "throttle", "job": "job"},
            "kind is 'throttle': for a job expected one of model_error, stall",
        ),
        ({"kind": "stall", "job": "job", "record": -1}, "record is -1: expected 0 or more"),
    ],
)
def test_faults_that_no_job_can_have(cloud: TransformCloud, order: dict[str, Any], message: str) -> None:
    answer = urllib3.request("POST", f"{cloud.cloud.url}/_local/faults", json=order)
    assert answer.status == 400
    assert answer.json()["Message"] == message


def test_a_container_of_lmi_has_its_limits_under_other_names(cloud: TransformCloud) -> None:
    """AWS's LMI container takes `OPTION_…` where the vLLM container takes `SM_VLLM_…`."""
    cloud.write("a.jsonl", line(1))
    job = cloud.run(Environment={"OPTION_MAX_MODEL_LEN": "2"})
    assert job["FailureReason"] == CLIENT_ERROR
    assert "maximum context length is 2 tokens" in cloud.logs[-1]


def create_endpoint_of(cloud: TransformCloud) -> None:
    variant = {"VariantName": "main", "ModelName": "model", "InstanceType": "ml.g5.xlarge"}
    cloud.sagemaker.create_endpoint_config(
        EndpointConfigName="config", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    cloud.sagemaker.create_endpoint(EndpointName="ep", EndpointConfigName="config")


def test_a_stopped_job_stores_no_output(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1))
    cloud.write("b.jsonl", line(2), line(3))
    order_fault(cloud, kind="stall", job="job", record=3, seconds=60)
    name = cloud.create()
    assert cloud.next_output() == "a.jsonl.out"
    cloud.sagemaker.stop_transform_job(TransformJobName=name)
    assert cloud.wait(name)["TransformJobStatus"] == "Stopped"
    assert cloud.outputs() == []


def test_stopping_a_job_before_it_starts(tmp_path: Path) -> None:
    with running(tmp_path, options=TransformOptions(start_delay_seconds=60)) as cloud:
        cloud.write("a.jsonl", line(1))
        name = cloud.create()
        job = cloud.sagemaker.describe_transform_job(TransformJobName=name)
        assert job["TransformJobStatus"] == "InProgress"
        assert "TransformStartTime" not in job
        cloud.sagemaker.stop_transform_job(TransformJobName=name)
        assert cloud.wait(name)["TransformJobStatus"] == "Stopped"


def test_a_job_that_ended_cannot_be_stopped(cloud: TransformCloud) -> None:
    cloud.write("a.jsonl", line(1))
    cloud.run()
    assert refused(cloud.sagemaker.stop_transform_job, TransformJobName="job")[2] == (
        "The request was rejected because the transform job is in status Completed."
    )


def test_a_job_that_the_local_cloud_left_behind_fails_when_it_starts_again(tmp_path: Path) -> None:
    with running(tmp_path, model=SLOW_MODEL) as cloud:
        cloud.write("a.jsonl", line(1))
        cloud.create()
        cloud.create(TransformJobName="stopping")
        record = cloud.cloud.services.sagemaker.transform_jobs["stopping"]
        cloud.cloud.services.sagemaker.transform_jobs["stopping"] = {
            **record,
            "TransformJobStatus": "Stopping",
        }
    again = Services(tmp_path, FAST_MODEL, transform_options=FAST_RETRIES)
    again.transforms.resume()
    jobs = again.sagemaker.transform_jobs
    assert jobs["job"]["TransformJobStatus"] == "Failed"
    assert jobs["job"]["FailureReason"] == (
        "InternalServerError: We encountered an internal error. Please try again."
    )
    assert jobs["stopping"]["TransformJobStatus"] == "Stopped"
    asyncio.run(again.shutdown())


def test_realtime_requests_are_answered_while_a_job_runs(tmp_path: Path) -> None:
    """The job has more requests than one round of the event loop takes; a realtime one comes in between."""
    with running(tmp_path) as cloud:
        cloud.write("a.jsonl", *(line(number) for number in range(3000)))
        create_endpoint_of(cloud)
        name = cloud.create()
        runtime = cloud.cloud.client("sagemaker-runtime")
        answer = runtime.invoke_endpoint(EndpointName="ep", Body=json.dumps(question("?")))
        assert json.loads(answer["Body"].read())["object"] == "chat.completion"
        described = cloud.sagemaker.describe_transform_job(TransformJobName=name)
        assert described["TransformJobStatus"] == "InProgress"
        assert cloud.wait(name)["TransformJobStatus"] == "Completed"
