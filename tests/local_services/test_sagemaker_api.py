"""The SageMaker control plane through unmodified boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_services.conftest import Cloud, CloudFactory, create_endpoint
from twin.local.services.sagemaker import Delays

ROLE = "arn:aws:iam::000000000000:role/execution"
ARN = "arn:aws:sagemaker:us-east-1:000000000000"
SOURCE = {"S3DataSource": {"S3Uri": "s3://weights/x/", "S3DataType": "S3Prefix", "CompressionType": "None"}}
REQUIREMENTS = {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1}


@pytest.fixture
def client(cloud: Cloud) -> Any:
    return cloud.client("sagemaker")


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    assert response["Error"]["Code"] == "ValidationException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(response["Error"]["Message"])


def variant(**changes: Any) -> dict[str, Any]:
    return {"VariantName": "main", "InstanceType": "ml.g6e.xlarge", "InitialInstanceCount": 1, **changes}


def create_config(client: Any, name: str, *variants: dict[str, Any], **extra: Any) -> Any:
    return client.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=list(variants), ExecutionRoleArn=ROLE, **extra
    )


def test_models(client: Any) -> None:
    container = {"Image": "vllm", "Environment": {"SM_VLLM_MAX_MODEL_LEN": "8192"}, "ModelDataSource": SOURCE}
    answer = client.create_model(
        ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE, EnableNetworkIsolation=True
    )
    assert answer["ModelArn"] == f"{ARN}:model/m"
    model = client.describe_model(ModelName="m")
    assert (model["PrimaryContainer"], model["EnableNetworkIsolation"]) == (container, True)
    again = {"ModelName": "m", "PrimaryContainer": container}
    assert refused(client.create_model, **again) == f'Cannot create already existing model "{ARN}:model/m".'
    assert [row["ModelName"] for row in client.list_models()["Models"]] == ["m"]
    client.delete_model(ModelName="m")
    assert refused(client.describe_model, ModelName="m") == f'Could not find model "{ARN}:model/m".'


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "Exactly one of PrimaryContainer and Containers must be specified."),
        ({"PrimaryContainer": {}}, "A container needs exactly one of Image and ModelPackageName."),
        (
            {
                "PrimaryContainer": {
                    "Image": "i",
                    "ModelDataUrl": "s3://b/x.tar.gz",
                    "ModelDataSource": SOURCE,
                }
            },
            "A container takes only one of ModelDataUrl and ModelDataSource.",
        ),
        (
            {"PrimaryContainer": {"Image": "i", "Environment": {"1BAD": "x"}}},
            "Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*",
        ),
        (
            {"PrimaryContainer": {"Image": "i", "Mode": "Half"}},
            "Member must satisfy enum value set: [SingleModel, MultiModel]",
        ),
        (
            {
                "PrimaryContainer": {
                    "Image": "i",
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": "s3://b/x",
                            "S3DataType": "S3Prefix",
                            "CompressionType": "None",
                        }
                    },
                }
            },
            "S3Uri must end with a forward slash for S3Prefix, found s3://b/x",
        ),
    ],
)
def test_models_are_checked(client: Any, wrong: dict[str, Any], message: str) -> None:
    assert message in refused(client.create_model, ModelName="m", **wrong)


class OnlyRole:
    """Knows one role."""

    def __init__(self, role_arn: str) -> None:
        self._role_arn = role_arn

    def assumable(self, role_arn: str, service: str) -> bool:
        return (role_arn, service) == (self._role_arn, "sagemaker.amazonaws.com")


def test_a_role_that_sagemaker_may_not_assume_is_refused(start_cloud: CloudFactory) -> None:
    client = start_cloud(roles=OnlyRole(ROLE)).client("sagemaker")
    model = {"ModelName": "m", "PrimaryContainer": {"Image": "i"}}
    message = refused(client.create_model, **model, ExecutionRoleArn=f"{ROLE}-missing")
    assert message == (
        f"Could not assume role {ROLE}-missing. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )
    client.create_model(**model, ExecutionRoleArn=ROLE)


def test_endpoint_configs_keep_every_property(client: Any) -> None:
    scaling = {
        "Status": "ENABLED",
        "MinInstanceCount": 0,
        "MaxInstanceCount": 4,
        "ScaleInPolicy": {"Strategy": "IDLE_RELEASE", "CooldownInMinutes": 20},
    }
    pools = [
        {"InstanceType": "ml.g6e.xlarge", "Priority": 1},
        {"InstanceType": "ml.g5.2xlarge", "Priority": 2},
    ]
    given = {
        "VariantName": "main",
        "InitialInstanceCount": 1,
        "InstancePools": pools,
        "ManagedInstanceScaling": scaling,
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
        "ContainerStartupHealthCheckTimeoutInSeconds": 900,
        "ModelDataDownloadTimeoutInSeconds": 1800,
    }
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    create_config(client, "c", given, KmsKeyId="key", VpcConfig=vpc, EnableNetworkIsolation=True)
    found = client.describe_endpoint_config(EndpointConfigName="c")
    assert found["ProductionVariants"] == [given]
    assert (found["KmsKeyId"], found["VpcConfig"], found["EnableNetworkIsolation"]) == ("key", vpc, True)
    assert found["EndpointConfigArn"] == f"{ARN}:endpoint-config/c"
    client.delete_endpoint_config(EndpointConfigName="c")
    assert refused(client.describe_endpoint_config, EndpointConfigName="c") == (
        f'Could not find endpoint configuration "{ARN}:endpoint-config/c".'
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ModelName": "missing"}, f'Could not find model "{ARN}:model/missing".'),
        ({"InstanceType": "ml.g99.xlarge"}, "Member must satisfy enum value set: [ml."),
        (
            {"InstancePools": [{"InstanceType": "ml.g5.xlarge", "Priority": 1}]},
            "Variant main needs exactly one of InstanceType, InstancePools and ServerlessConfig",
        ),
        (
            {"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 3, "MaxInstanceCount": 2}},
            "ManagedInstanceScaling of variant main: MinInstanceCount 3 is above MaxInstanceCount 2.",
        ),
        (
            {
                "InitialInstanceCount": 5,
                "ManagedInstanceScaling": {"Status": "ENABLED", "MaxInstanceCount": 2},
            },
            "InitialInstanceCount 5 of variant main is above MaxInstanceCount 2.",
        ),
        (
            {
                "RoutingConfig": {
                    "RoutingStrategy": "RANDOM",
                    "PrefixAwareRoutingConfig": {"PrefixLength": 1024},
                }
            },
            "PrefixAwareRoutingConfig of variant main needs the routing strategy PREFIX_AWARE.",
        ),
        ({"ContainerStartupHealthCheckTimeoutInSeconds": 3601}, "less than or equal to 3600"),
    ],
)
def test_variants_are_checked(client: Any, wrong: dict[str, Any], message: str) -> None:
    config = {"EndpointConfigName": "c", "ProductionVariants": [variant(**wrong)], "ExecutionRoleArn": ROLE}
    assert message in refused(client.create_endpoint_config, **config)


def test_components_need_a_role_on_the_configuration(client: Any) -> None:
    message = refused(client.create_endpoint_config, EndpointConfigName="c", ProductionVariants=[variant()])
    assert message.startswith(
        "ExecutionRoleArn is required when a production variant (main) has no ModelName"
    )


def test_variant_names_and_pools_are_distinct(client: Any) -> None:
    twice = {
        "EndpointConfigName": "c",
        "ProductionVariants": [variant(), variant()],
        "ExecutionRoleArn": ROLE,
    }
    assert refused(client.create_endpoint_config, **twice) == "Variant names must be unique, found main, main"
    pool = {"InstanceType": "ml.g5.xlarge", "Priority": 1}
    other = {"InstanceType": "ml.g6.xlarge", "Priority": 1}
    for pools, noun in (([pool, other], "priorities"), ([pool, {**pool, "Priority": 2}], "instance types")):
        pooled = {"VariantName": "main", "InitialInstanceCount": 1, "InstancePools": pools}
        message = refused(
            client.create_endpoint_config,
            EndpointConfigName="c",
            ProductionVariants=[pooled],
            ExecutionRoleArn=ROLE,
        )
        assert message == f"Instance pools of variant main must have distinct {noun}."


def test_endpoints(client: Any) -> None:
    create_config(client, "c", variant())
    assert refused(client.create_endpoint, EndpointName="e", EndpointConfigName="missing") == (
        f'Could not find endpoint configuration "{ARN}:endpoint-config/missing".'
    )
    assert (
        client.create_endpoint(EndpointName="e", EndpointConfigName="c")["EndpointArn"] == f"{ARN}:endpoint/e"
    )
    found = client.describe_endpoint(EndpointName="e")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "c")
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert [row["EndpointName"] for row in client.list_endpoints(StatusEquals="InService")["Endpoints"]] == [
        "e"
    ]
    assert client.list_endpoints(StatusEquals="Failed")["Endpoints"] == []
    client.delete_endpoint(EndpointName="e")
    assert (
        refused(client.describe_endpoint, EndpointName="e") == f'Could not find endpoint "{ARN}:endpoint/e".'
    )


def test_endpoints_take_as_long_as_they_are_told_to(start_cloud: CloudFactory) -> None:
    cloud = start_cloud(delays=Delays(endpoint_seconds=100))
    now = [1000.0]
    cloud.services.sagemaker.clock = lambda: now[0]
    client = cloud.client("sagemaker")
    create_config(client, "c", variant())
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "Creating"
    in_progress = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert refused(client.update_endpoint, **in_progress) == (
        f'Cannot update in-progress endpoint "{ARN}:endpoint/e" (Creating).'
    )
    now[0] += 100
    assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService"
    client.update_endpoint(**in_progress)
    assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "Updating"


@pytest.mark.parametrize(
    ("options", "count", "weight"),
    [
        ({}, 1, 1.0),
        ({"RetainAllVariantProperties": True}, 4, 0.5),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            4,
            1.0,
        ),
    ],
)
def test_an_update_resets_counts_unless_told_otherwise(
    client: Any, options: dict[str, Any], count: int, weight: float
) -> None:
    create_config(client, "first", variant())
    create_config(client, "second", variant(VolumeSizeInGB=64))
    client.create_endpoint(EndpointName="e", EndpointConfigName="first")
    wanted = [{"VariantName": "main", "DesiredInstanceCount": 4, "DesiredWeight": 0.5}]
    client.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wanted)
    client.update_endpoint(EndpointName="e", EndpointConfigName="second", **options)
    found = client.describe_endpoint(EndpointName="e")
    assert found["EndpointConfigName"] == "second"
    summary = found["ProductionVariants"][0]
    assert (summary["DesiredInstanceCount"], summary["DesiredWeight"]) == (count, weight)


def test_an_autoscaled_variant_keeps_its_instance_type(cloud: Cloud) -> None:
    client, scaling = cloud.client("sagemaker"), cloud.client("application-autoscaling")
    client.create_model(ModelName="m", PrimaryContainer={"Image": "i"})
    create_config(client, "first", variant(ModelName="m"))
    create_config(client, "second", variant(ModelName="m", InstanceType="ml.g5.xlarge"))
    client.create_endpoint(EndpointName="e", EndpointConfigName="first")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    message = refused(client.update_endpoint, EndpointName="e", EndpointConfigName="second")
    assert message.startswith("The variant(s) main must be deregistered as scalable target(s)")
    scaling.deregister_scalable_target(**target)
    client.update_endpoint(EndpointName="e", EndpointConfigName="second")


def test_inference_components(client: Any) -> None:
    create_endpoint(client, copies=2)
    found = client.describe_inference_component(InferenceComponentName="ic")
    assert found["InferenceComponentArn"] == f"{ARN}:inference-component/ic"
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert (found["InferenceComponentStatus"], found["VariantName"]) == ("InService", "main")
    client.update_inference_component_runtime_config(
        InferenceComponentName="ic", DesiredRuntimeConfig={"CopyCount": 0}
    )
    client.update_inference_component(
        InferenceComponentName="ic",
        Specification={
            "Container": {"Image": "other", "Environment": {"A": "b"}},
            "ComputeResourceRequirements": REQUIREMENTS,
        },
    )
    found = client.describe_inference_component(InferenceComponentName="ic")
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}
    assert found["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == "other"
    rows = client.list_inference_components(EndpointNameEquals="ep")["InferenceComponents"]
    assert [row["InferenceComponentName"] for row in rows] == ["ic"]
    assert client.list_inference_components(EndpointNameEquals="other")["InferenceComponents"] == []
    assert refused(client.delete_endpoint, EndpointName="ep") == (
        f'Cannot delete endpoint "{ARN}:endpoint/ep" while it hosts inference components: ic.'
    )
    client.delete_inference_component(InferenceComponentName="ic")
    client.delete_endpoint(EndpointName="ep")


def test_copies_change_when_the_update_is_done(start_cloud: CloudFactory) -> None:
    cloud = start_cloud(delays=Delays(inference_component_seconds=50))
    now = [1000.0]
    cloud.services.sagemaker.clock = lambda: now[0]
    client = cloud.client("sagemaker")
    create_endpoint(client, copies=1)

    def counts() -> tuple[str, int, int]:
        found = client.describe_inference_component(InferenceComponentName="ic")
        config = found["RuntimeConfig"]
        return found["InferenceComponentStatus"], config["CurrentCopyCount"], config["DesiredCopyCount"]

    assert counts() == ("Creating", 0, 1)
    now[0] += 50
    assert counts() == ("InService", 1, 1)
    client.update_inference_component_runtime_config(
        InferenceComponentName="ic", DesiredRuntimeConfig={"CopyCount": 3}
    )
    assert counts() == ("Updating", 1, 3)
    now[0] += 50
    assert counts() == ("InService", 3, 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"EndpointName": "missing"}, f'Could not find endpoint "{ARN}:endpoint/missing".'),
        ({"VariantName": "other"}, "Variant other does not exist in endpoint ep."),
        (
            {"Specification": {"ModelName": "missing", "ComputeResourceRequirements": REQUIREMENTS}},
            f'Could not find model "{ARN}:model/missing".',
        ),
        ({"Specification": {"ModelName": "model"}}, "ComputeResourceRequirements is required."),
        (
            {"Specification": {"ComputeResourceRequirements": REQUIREMENTS}},
            "Exactly one of ModelName and Container must be specified.",
        ),
        (
            {
                "Specification": {
                    "ModelName": "model",
                    "ComputeResourceRequirements": {
                        "MinMemoryRequiredInMb": 2048,
                        "MaxMemoryRequiredInMb": 1024,
                    },
                }
            },
            "MaxMemoryRequiredInMb 1024 is below MinMemoryRequiredInMb 2048.",
        ),
        (
            {"Specification": {"BaseInferenceComponentName": "missing"}},
            f'Could not find inference component "{ARN}:inference-component/missing".',
        ),
        (
            {"InferenceComponentName": "ic"},
            f'Cannot create already existing inference component "{ARN}:inference-component/ic".',
        ),
    ],
)
def test_components_are_checked(client: Any, wrong: dict[str, Any], message: str) -> None:
    create_endpoint(client)
    valid = {
        "InferenceComponentName": "second",
        "EndpointName": "ep",
        "VariantName": "main",
        "Specification": {"ModelName": "model", "ComputeResourceRequirements": REQUIREMENTS},
    }
    assert refused(client.create_inference_component, **{**valid, **wrong}) == message


def test_an_adapter_lives_on_its_base(client: Any) -> None:
    create_endpoint(client)
    adapter = {"BaseInferenceComponentName": "ic", "Container": {"ArtifactUrl": "s3://b/lora.tar.gz"}}
    client.create_inference_component(InferenceComponentName="lora", EndpointName="ep", Specification=adapter)
    assert client.describe_inference_component(InferenceComponentName="lora")["VariantName"] == "main"
    assert refused(client.delete_inference_component, InferenceComponentName="ic") == (
        "Cannot delete inference component ic: base of lora."
    )


def test_a_variant_with_a_model_hosts_no_components(client: Any) -> None:
    client.create_model(ModelName="model", PrimaryContainer={"Image": "i"})
    create_config(client, "c", variant(ModelName="model"))
    client.create_endpoint(EndpointName="ep", EndpointConfigName="c")
    specification = {"ModelName": "model", "ComputeResourceRequirements": REQUIREMENTS}
    message = refused(
        client.create_inference_component,
        InferenceComponentName="ic",
        EndpointName="ep",
        Specification=specification,
    )
    assert message.startswith("Variant main of endpoint ep hosts the model model")


def test_the_model_registry(client: Any) -> None:
    group_arn = client.create_model_package_group(ModelPackageGroupName="twins")["ModelPackageGroupArn"]
    assert group_arn == f"{ARN}:model-package-group/twins"
    specification = {
        "Containers": [{"Image": "vllm", "Environment": {"SM_VLLM_MAX_MODEL_LEN": "64"}}],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    arns = [
        client.create_model_package(ModelPackageGroupName="twins", InferenceSpecification=specification)[
            "ModelPackageArn"
        ]
        for _ in range(2)
    ]
    assert arns == [f"{ARN}:model-package/twins/1", f"{ARN}:model-package/twins/2"]
    found = client.describe_model_package(ModelPackageName=arns[1])
    assert (found["ModelPackageVersion"], found["ModelApprovalStatus"]) == (2, "PendingManualApproval")
    model = {"ModelName": "m", "PrimaryContainer": {"ModelPackageName": arns[1]}}
    assert refused(client.create_model, **model) == (
        f"Model package {arns[1]} is not approved: only an Approved one can be deployed."
    )
    client.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved")
    client.create_model(**model)
    listed = client.list_model_packages(ModelPackageGroupName="twins", ModelApprovalStatus="Approved")
    assert [row["ModelPackageArn"] for row in listed["ModelPackageSummaryList"]] == [arns[1]]
    with pytest.raises(ClientError, match="still has model packages"):
        client.delete_model_package_group(ModelPackageGroupName="twins")
    for arn in arns:
        client.delete_model_package(ModelPackageName=arn)
    client.delete_model_package_group(ModelPackageGroupName="twins")
    assert client.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_a_models_environment_extends_its_packages(cloud: Cloud) -> None:
    client = cloud.client("sagemaker")
    specification = {
        "Containers": [{"Image": "vllm", "Environment": {"SM_VLLM_MAX_MODEL_LEN": "64", "A": "package"}}],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    client.create_model_package_group(ModelPackageGroupName="g")
    arn = client.create_model_package(
        ModelPackageGroupName="g", InferenceSpecification=specification, ModelApprovalStatus="Approved"
    )["ModelPackageArn"]
    container = {"ModelPackageName": arn, "Environment": {"A": "model"}}
    client.create_model(ModelName="m", PrimaryContainer=container)
    create_config(client, "c", variant(ModelName="m"))
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    target = cloud.services.runtime.resolve("e", None, None)
    assert target.container.environment == {"SM_VLLM_MAX_MODEL_LEN": "64", "A": "model"}


def test_tags(client: Any) -> None:
    tags = [{"Key": "team", "Value": "ml"}, {"Key": "stage", "Value": "test"}]
    arn = client.create_model(ModelName="m", PrimaryContainer={"Image": "i"}, Tags=tags)["ModelArn"]
    client.delete_tags(ResourceArn=arn, TagKeys=["stage"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "ml"}]


def test_lists_are_paged(client: Any) -> None:
    for number in range(12):
        client.create_model(ModelName=f"m{number:02}", PrimaryContainer={"Image": "i"})
    pages = client.get_paginator("list_models").paginate(
        SortBy="Name", SortOrder="Ascending", NameContains="M", PaginationConfig={"PageSize": 5}
    )
    names = [[row["ModelName"] for row in page["Models"]] for page in pages]
    assert [len(page) for page in names] == [5, 5, 2]
    assert [name for page in names for name in page] == [f"m{number:02}" for number in range(12)]
    assert refused(client.list_models, NextToken="?") == "Invalid NextToken"


def test_other_operations_go_to_moto(client: Any) -> None:
    assert client.list_training_jobs()["TrainingJobSummaries"] == []
    with pytest.raises(ClientError) as caught:
        client.list_hubs()
    assert caught.value.response["Error"] == {
        "Code": "UnknownOperationException",
        "Message": "The local cloud does not implement sagemaker ListHubs",
    }


def test_a_restart_keeps_endpoints(start_cloud: CloudFactory) -> None:
    create_endpoint(start_cloud().client("sagemaker"), copies=3)
    client = start_cloud().client("sagemaker")
    assert client.describe_endpoint(EndpointName="ep")["EndpointStatus"] == "InService"
    found = client.describe_inference_component(InferenceComponentName="ic")
    assert found["RuntimeConfig"]["CurrentCopyCount"] == 3
