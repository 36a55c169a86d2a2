"""The operations on transform jobs, and what EventBridge is told, through unmodified boto3."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_services.conftest import CloudFactory, refused
from tests.local_services.transforms import BUCKET, ROLE, TransformCloud, job_request, line, running
from twin.local.services.sagemaker import Delays
from twin.local.services.transform import TransformOptions

ARN = "arn:aws:sagemaker:us-east-1:000000000000"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[TransformCloud]:
    with running(tmp_path, options=TransformOptions(start_delay_seconds=60)) as started:
        yield started


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ModelName": "other"}, f'Could not find model "{ARN}:model/other".'),
        (
            {"MaxConcurrentTransforms": 17, "MaxPayloadInMB": None},
            "MaxConcurrentTransforms (17) * MaxPayloadInMB (6) must not exceed 100 MB.",
        ),
        (
            {"TransformResources__VolumeKmsKeyId": "alias/key"},
            (
                "VolumeKmsKeyId cannot be specified for ml.g5.xlarge: "
                "its local storage is encrypted by hardware."
            ),
        ),
        (
            {"TransformInput__SplitType": "TFRecord"},
            "The local cloud does not split TFRecord: expected SplitType None or Line.",
        ),
        (
            {"TransformInput__SplitType": "None", "BatchStrategy": "MultiRecord"},
            "BatchStrategy MultiRecord requires SplitType Line, RecordIO or TFRecord, found None.",
        ),
        (
            {"TransformOutput__AssembleWith": "None"},
            "JoinSource Input requires AssembleWith to match SplitType, found None and Line.",
        ),
        (
            {"TransformInput__ContentType": "text/csv"},
            "DataProcessing requires ContentType application/json, found text/csv.",
        ),
        (
            {"TransformOutput__Accept": None},
            "DataProcessing requires Accept application/json, found None.",
        ),
        (
            {"DataProcessing__InputFilter": "$..body"},
            (
                "Invalid JSONPath in DataProcessing: '$..body' is not supported: expected $, $.a.b, $['a'], "
                "$[0] or a last $['a','b']"
            ),
        ),
        (
            {"TransformInput__DataSource__S3DataSource__S3DataType": "AugmentedManifestFile"},
            "S3DataType AugmentedManifestFile is not supported for transform jobs.",
        ),
        (
            {"TransformOutput__S3OutputPath": "https://exchange/out"},
            "Invalid S3 URI: not an S3 address: 'https://exchange/out'; expected s3://bucket/key",
        ),
    ],
)
def test_what_is_refused(cloud: TransformCloud, changes: dict[str, Any], message: str) -> None:
    request = job_request(**changes)
    assert refused(cloud.sagemaker.create_transform_job, **request) == ("ValidationException", 400, message)
    assert cloud.sagemaker.list_transform_jobs()["TransformJobSummaries"] == []


def test_shapes_are_checked_as_botocore_has_them(cloud: TransformCloud) -> None:
    request = job_request(TransformResources__InstanceType="ml.p5.48xlarge")
    code, _, message = refused(cloud.sagemaker.create_transform_job, **request)
    assert code == "ValidationException"
    assert (
        "'transformResources.instanceType' failed to satisfy constraint: Member must satisfy enum" in message
    )


def test_a_volume_key_goes_with_instances_without_disks(cloud: TransformCloud) -> None:
    cloud.create(
        TransformResources__InstanceType="ml.m5.xlarge", TransformResources__VolumeKmsKeyId="alias/key"
    )


def test_a_model_with_a_data_source_is_refused(cloud: TransformCloud) -> None:
    source = {"S3Uri": "s3://models/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": "vllm", "ModelDataSource": {"S3DataSource": source}}
    cloud.sagemaker.create_model(ModelName="prefix", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    assert refused(cloud.sagemaker.create_transform_job, **job_request(ModelName="prefix"))[2] == (
        f'Model "{ARN}:model/prefix" uses ModelDataSource, which batch transform does not support. '
        "Use ModelDataUrl."
    )


def test_a_model_needs_a_role_that_sagemaker_may_assume(tmp_path: Path) -> None:
    class Gone:
        """The model's role was there when the model was created."""

        exists = True

        def assumable(self, role_arn: str, service: str) -> bool:
            return self.exists

    roles = Gone()
    with running(tmp_path, roles=roles) as cloud:
        cloud.sagemaker.create_model(ModelName="bare", PrimaryContainer={"Image": "vllm"})
        message = refused(cloud.sagemaker.create_transform_job, **job_request(ModelName="bare"))[2]
        assert message == f'Model "{ARN}:model/bare" has no ExecutionRoleArn for the transform job.'
        roles.exists = False
        message = refused(cloud.sagemaker.create_transform_job, **job_request())[2]
        assert message.startswith(f"Could not assume role {ROLE}.")


def test_a_name_is_never_free_again(cloud: TransformCloud) -> None:
    name = cloud.create()
    cloud.sagemaker.stop_transform_job(TransformJobName=name)
    cloud.wait(name)
    assert refused(cloud.sagemaker.create_transform_job, **job_request()) == (
        "ResourceInUse",
        400,
        (
            "Job name must be unique within an AWS account and region, and a job with this name already "
            f"exists ({ARN}:transform-job/job)"
        ),
    )


def test_unknown_jobs(cloud: TransformCloud) -> None:
    for call in (cloud.sagemaker.describe_transform_job, cloud.sagemaker.stop_transform_job):
        assert refused(call, TransformJobName="job") == (
            "ValidationException",
            400,
            "Could not find requested job with name: job",
        )


def test_jobs_are_listed_by_name_and_status(cloud: TransformCloud) -> None:
    for name in ("one", "two", "three"):
        cloud.create(TransformJobName=name)
    cloud.sagemaker.stop_transform_job(TransformJobName="two")
    cloud.wait("two")
    running_jobs = cloud.sagemaker.list_transform_jobs(StatusEquals="InProgress", SortBy="Name")
    names = [row["TransformJobName"] for row in running_jobs["TransformJobSummaries"]]
    assert names == ["three", "one"]
    (row,) = cloud.sagemaker.list_transform_jobs(NameContains="tw")["TransformJobSummaries"]
    assert row["TransformJobStatus"] == "Stopped"
    assert row["TransformEndTime"] >= row["CreationTime"]


def test_tags(cloud: TransformCloud) -> None:
    cloud.create(Tags=[{"Key": "twin", "Value": "test"}])
    arn = f"{ARN}:transform-job/job"
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "twin", "Value": "test"}]
    assert "Tags" not in cloud.sagemaker.describe_transform_job(TransformJobName="job")


def test_stopping_twice_is_stopping_once(cloud: TransformCloud) -> None:
    name = cloud.create()
    cloud.sagemaker.stop_transform_job(TransformJobName=name)
    assert cloud.wait(name)["TransformJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="the transform job is in status Stopped"):
        cloud.sagemaker.stop_transform_job(TransformJobName=name)


def test_every_status_of_a_job_is_an_event(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        cloud.write("a.jsonl", line(1))
        cloud.create(Tags=[{"Key": "twin", "Value": "test"}])
        kind, resources, detail = cloud.events.get(timeout=30)
        assert (kind, resources) == ("SageMaker Transform Job State Change", [f"{ARN}:transform-job/job"])
        assert detail["TransformJobStatus"] == "InProgress"
        assert detail["Tags"] == {"twin": "test"}
        assert detail["ModelName"] == "model"
        assert detail["TransformOutput"]["S3OutputPath"] == f"s3://{BUCKET}/out"
        assert abs(detail["CreationTime"] - time.time() * 1000) < 60_000
        _, _, ended = cloud.events.get(timeout=30)
        assert ended["TransformJobStatus"] == "Completed"
        assert detail["CreationTime"] <= ended["TransformStartTime"] <= ended["TransformEndTime"]


def test_endpoints_tell_when_they_are_ready_and_when_they_go(start_cloud: CloudFactory) -> None:
    started = start_cloud(delays=Delays(endpoint_seconds=0.2))
    events: list[tuple[str, str, str]] = []
    started.services.sagemaker.announce = lambda kind, resources, detail: events.append(
        (kind, resources[0], detail["EndpointStatus"])
    )
    sagemaker = started.client("sagemaker")
    sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "vllm"})
    variant = {
        "VariantName": "v",
        "ModelName": "m",
        "InstanceType": "ml.g5.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="e", WaiterConfig={"Delay": 1})
    sagemaker.delete_endpoint(EndpointName="e")
    kind, arn = "SageMaker Endpoint State Change", f"{ARN}:endpoint/e"
    assert events == [(kind, arn, status) for status in ("CREATING", "IN_SERVICE", "DELETING")]
