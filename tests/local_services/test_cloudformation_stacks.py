"""The resource types in real stacks: MiniStack's CloudFormation with these handlers registered."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_services.conftest import FAST_MODEL, Cloud, route_by_signature, served
from twin.local.services import Services

pytest.importorskip("ministack")

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    },
}
METRIC = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
Template = dict[str, Any]


@pytest.fixture(scope="module")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    from ministack.app import app
    from ministack.services.cloudformation import provisioners

    services = Services(tmp_path_factory.mktemp("state"), FAST_MODEL)
    table = dict(provisioners._RESOURCE_HANDLERS)
    provisioners._RESOURCE_HANDLERS.update(services.resource_handlers())
    with served(route_by_signature(services, app)) as url:
        yield Cloud(services, url)
    provisioners._RESOURCE_HANDLERS.clear()
    provisioners._RESOURCE_HANDLERS.update(table)


@pytest.fixture
def stack(shared_cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Stack]:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:40].strip("-")
    stack = Stack(shared_cloud, name)
    yield stack
    stack.delete()


class Stack:
    """One CloudFormation stack, driven through boto3."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self._client = cloud.client("cloudformation")

    def deploy(self, resources: Template, **outputs: Any) -> str:
        """Create or update; the stack's final status."""
        values = {name: {"Value": value} for name, value in outputs.items()}
        body = json.dumps({"Resources": resources, "Outputs": values})
        exists = any(row["StackName"] == self.name for row in self._client.describe_stacks()["Stacks"])
        call = self._client.update_stack if exists else self._client.create_stack
        call(StackName=self.name, TemplateBody=body)
        return self._settled()

    def _settled(self) -> str:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            rows = [row for row in self._client.describe_stacks()["Stacks"] if row["StackName"] == self.name]
            if not rows or not rows[0]["StackStatus"].endswith("_IN_PROGRESS"):
                return str(rows[0]["StackStatus"]) if rows else "DELETED"
            time.sleep(0.02)
        raise AssertionError(f"stack {self.name} does not settle")

    def delete(self) -> str:
        self._client.delete_stack(StackName=self.name)
        return self._settled()

    @property
    def outputs(self) -> dict[str, str]:
        (row,) = self._client.describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in row.get("Outputs", ())}

    def reason(self, logical_id: str) -> str:
        """Why a resource failed most recently."""
        for event in self._client.describe_stack_events(StackName=self.name)["StackEvents"]:
            if event["LogicalResourceId"] == logical_id and event["ResourceStatus"].endswith("_FAILED"):
                return str(event["ResourceStatusReason"])
        raise AssertionError(f"{logical_id} did not fail")


def resource(kind: str, *depends: str, **properties: Any) -> dict[str, Any]:
    extra = {"DependsOn": list(depends)} if depends else {}
    return {"Type": f"AWS::{kind}", "Properties": properties, **extra}


def attribute(logical_id: str, name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, name]}


def realtime(name: str, length: str = "4096", instances: int = 1, copies: int = 1) -> Template:
    """Role, model, configuration, endpoint and inference component, as the project's stacks have them."""
    environment = {"SM_VLLM_MAX_MODEL_LEN": length, "SM_VLLM_MAX_NUM_SEQS": 32, "SM_VLLM_ENFORCE_EAGER": True}
    container = {"Image": "vllm", "Environment": environment}
    variant = {
        "VariantName": "main",
        # Template values may be strings where the API wants numbers.
        "InitialInstanceCount": str(instances),
        "InstancePools": [{"InstanceType": "ml.g6e.xlarge", "Priority": 1}],
        "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 4},
    }
    specification = {
        "ModelName": attribute("Model", "ModelName"),
        "ComputeResourceRequirements": {
            "MinMemoryRequiredInMb": 1024,
            "NumberOfAcceleratorDevicesRequired": 1,
        },
    }
    role = attribute("Role", "Arn")
    return {
        "Role": ROLE,
        "Model": resource("SageMaker::Model", PrimaryContainer=container, ExecutionRoleArn=role),
        "Config": resource("SageMaker::EndpointConfig", ProductionVariants=[variant], ExecutionRoleArn=role),
        "Endpoint": resource(
            "SageMaker::Endpoint",
            EndpointName=f"{name}-endpoint",
            EndpointConfigName=attribute("Config", "EndpointConfigName"),
            RetainAllVariantProperties=True,
            Tags=[{"Key": "team", "Value": "ml"}],
        ),
        "Component": resource(
            "SageMaker::InferenceComponent",
            InferenceComponentName=f"{name}-component",
            EndpointName=attribute("Endpoint", "EndpointName"),
            VariantName="main",
            Specification=specification,
            RuntimeConfig={"CopyCount": copies},
        ),
    }


def scaling(name: str, **target: Any) -> Template:
    """Scalable target and target tracking on the component of `realtime`."""
    tracked = {"TargetValue": 5, "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC}}
    return {
        "Target": resource(
            "ApplicationAutoScaling::ScalableTarget",
            "Component",
            ServiceNamespace="sagemaker",
            ResourceId=f"inference-component/{name}-component",
            ScalableDimension="sagemaker:inference-component:DesiredCopyCount",
            **{"MinCapacity": 1, "MaxCapacity": 4, **target},
        ),
        "Policy": resource(
            "ApplicationAutoScaling::ScalingPolicy",
            PolicyName="concurrency",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId={"Ref": "Target"},
            TargetTrackingScalingPolicyConfiguration=tracked,
        ),
    }


def test_realtime_resources_are_created_and_deleted(stack: Stack) -> None:
    template = realtime("a")
    outputs = {
        "ModelRef": {"Ref": "Model"},
        "ConfigRef": {"Ref": "Config"},
        "EndpointRef": {"Ref": "Endpoint"},
        "ComponentRef": {"Ref": "Component"},
        "ComponentArn": attribute("Component", "InferenceComponentArn"),
        "Copies": attribute("Component", "RuntimeConfig.DesiredCopyCount"),
    }
    assert stack.deploy(template, **outputs) == "CREATE_COMPLETE"
    client = stack.cloud.client("sagemaker")
    endpoint = client.describe_endpoint(EndpointName="a-endpoint")
    assert stack.outputs["EndpointRef"] == endpoint["EndpointArn"]
    assert client.list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"] == [{"Key": "team", "Value": "ml"}]
    config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    assert config["EndpointConfigName"].startswith(f"{stack.name}-Config-")
    assert stack.outputs["ConfigRef"] == config["EndpointConfigArn"]
    component = client.describe_inference_component(InferenceComponentName="a-component")
    arn = component["InferenceComponentArn"]
    assert (stack.outputs["ComponentRef"], stack.outputs["ComponentArn"], stack.outputs["Copies"]) == (
        arn,
        arn,
        "1",
    )
    model = client.describe_model(ModelName=component["Specification"]["ModelName"])
    assert stack.outputs["ModelRef"] == model["ModelArn"]
    assert model["PrimaryContainer"]["Environment"] == {
        "SM_VLLM_MAX_MODEL_LEN": "4096",
        "SM_VLLM_MAX_NUM_SEQS": "32",
        "SM_VLLM_ENFORCE_EAGER": "true",
    }
    assert stack.delete() == "DELETED"
    assert client.list_endpoints(NameContains="a-endpoint")["Endpoints"] == []
    assert client.list_models(NameContains=stack.name)["Models"] == []
    assert client.list_endpoint_configs(NameContains=stack.name)["EndpointConfigs"] == []


def test_models_are_replaced_and_endpoints_updated(stack: Stack) -> None:
    """A changed model or configuration gets a new name; the endpoint moves to it and keeps its count."""
    stack.deploy(realtime("b"))
    client = stack.cloud.client("sagemaker")
    before = client.describe_endpoint(EndpointName="b-endpoint")
    models = [row["ModelName"] for row in client.list_models(NameContains=stack.name)["Models"]]
    wanted = [{"VariantName": "main", "DesiredInstanceCount": 3}]
    client.update_endpoint_weights_and_capacities(
        EndpointName="b-endpoint", DesiredWeightsAndCapacities=wanted
    )
    assert stack.deploy(realtime("b", length="8192", instances=2, copies=2)) == "UPDATE_COMPLETE"
    after = client.describe_endpoint(EndpointName="b-endpoint")
    assert after["CreationTime"] == before["CreationTime"]
    assert after["EndpointConfigName"] != before["EndpointConfigName"]
    assert after["ProductionVariants"][0]["DesiredInstanceCount"] == 3
    (model,) = [row["ModelName"] for row in client.list_models(NameContains=stack.name)["Models"]]
    assert model not in models
    component = client.describe_inference_component(InferenceComponentName="b-component")
    assert component["Specification"]["ModelName"] == model
    assert component["RuntimeConfig"]["DesiredCopyCount"] == 2


def test_tags_change_in_place(stack: Stack) -> None:
    template = realtime("c")
    stack.deploy(template)
    client = stack.cloud.client("sagemaker")
    (model,) = client.list_models(NameContains=stack.name)["Models"]
    template["Model"]["Properties"]["Tags"] = [{"Key": "stage", "Value": "test"}]
    template["Endpoint"]["Properties"]["Tags"] = []
    assert stack.deploy(template) == "UPDATE_COMPLETE"
    (same,) = client.list_models(NameContains=stack.name)["Models"]
    assert same["ModelName"] == model["ModelName"]
    assert client.list_tags(ResourceArn=model["ModelArn"])["Tags"] == [{"Key": "stage", "Value": "test"}]
    endpoint = client.describe_endpoint(EndpointName="c-endpoint")
    assert client.list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"] == []


def test_an_unchanged_stack_changes_nothing(stack: Stack) -> None:
    stack.deploy(realtime("d"))
    client = stack.cloud.client("sagemaker")
    before = client.describe_endpoint(EndpointName="d-endpoint")["LastModifiedTime"]
    extra = {"Bucket": resource("S3Vectors::VectorBucket")}
    assert stack.deploy({**realtime("d"), **extra}) == "UPDATE_COMPLETE"
    assert client.describe_endpoint(EndpointName="d-endpoint")["LastModifiedTime"] == before


def test_scaling_resources(stack: Stack) -> None:
    night = {
        "ScheduledActionName": "night",
        "Schedule": "cron(0 22 * * ? *)",
        "ScalableTargetAction": {"MaxCapacity": 1},
    }
    template = {**realtime("e"), **scaling("e", MinCapacity=2, ScheduledActions=[night])}
    assert stack.deploy(template, Target={"Ref": "Target"}, Policy={"Ref": "Policy"}) == "CREATE_COMPLETE"
    dimension = "sagemaker:inference-component:DesiredCopyCount"
    assert stack.outputs["Target"] == f"inference-component/e-component|{dimension}|sagemaker"
    client = stack.cloud.client("application-autoscaling")
    named = {"ServiceNamespace": "sagemaker", "ResourceId": "inference-component/e-component"}
    (policy,) = client.describe_scaling_policies(**named)["ScalingPolicies"]
    assert stack.outputs["Policy"] == policy["PolicyARN"]
    assert [
        row["ScheduledActionName"] for row in client.describe_scheduled_actions(**named)["ScheduledActions"]
    ] == ["night"]
    sagemaker = stack.cloud.client("sagemaker")
    component = sagemaker.describe_inference_component(InferenceComponentName="e-component")
    assert component["RuntimeConfig"]["DesiredCopyCount"] == 2
    assert stack.deploy({**realtime("e"), **scaling("e", MaxCapacity=8)}) == "UPDATE_COMPLETE"
    ids = {"ServiceNamespace": "sagemaker", "ResourceIds": [named["ResourceId"]]}
    (target,) = client.describe_scalable_targets(**ids)["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 8)
    assert client.describe_scheduled_actions(**named)["ScheduledActions"] == []
    assert stack.delete() == "DELETED"
    assert client.describe_scalable_targets(**ids)["ScalableTargets"] == []


def test_vector_resources(stack: Stack) -> None:
    index = resource(
        "S3Vectors::Index",
        VectorBucketArn={"Ref": "Bucket"},
        IndexName="corpus",
        DataType="float32",
        Dimension=2,
        DistanceMetric="cosine",
        MetadataConfiguration={"NonFilterableMetadataKeys": ["text"]},
    )
    policy = resource(
        "S3Vectors::VectorBucketPolicy",
        VectorBucketArn=attribute("Bucket", "VectorBucketArn"),
        Policy={"Version": "2012-10-17", "Statement": []},
    )
    template = {"Bucket": resource("S3Vectors::VectorBucket"), "Index": index, "Policy": policy}
    outputs = {"Bucket": {"Ref": "Bucket"}, "Index": {"Ref": "Index"}, "Arn": attribute("Index", "IndexArn")}
    assert stack.deploy(template, **outputs) == "CREATE_COMPLETE"
    client = stack.cloud.client("s3vectors")
    found = client.get_index(indexArn=stack.outputs["Index"])["index"]
    assert (found["dimension"], found["metadataConfiguration"]) == (
        2,
        {"nonFilterableMetadataKeys": ["text"]},
    )
    assert stack.outputs["Arn"] == stack.outputs["Index"]
    assert json.loads(client.get_vector_bucket_policy(vectorBucketArn=stack.outputs["Bucket"])["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [],
    }
    bucket = stack.outputs["Bucket"]
    assert stack.delete() == "DELETED"
    assert not any(row["vectorBucketArn"] == bucket for row in client.list_vector_buckets()["vectorBuckets"])


def test_a_named_index_can_not_be_replaced(stack: Stack) -> None:
    def template(dimension: int) -> Template:
        index = resource(
            "S3Vectors::Index",
            VectorBucketArn={"Ref": "Bucket"},
            IndexName="corpus",
            DataType="float32",
            Dimension=dimension,
            DistanceMetric="cosine",
        )
        return {"Bucket": resource("S3Vectors::VectorBucket"), "Index": index}

    stack.deploy(template(2))
    assert stack.deploy(template(3)) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.reason("Index").startswith(
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename arn:"
    )


def test_a_model_package_group(stack: Stack) -> None:
    group = resource(
        "SageMaker::ModelPackageGroup", ModelPackageGroupName="twins", ModelPackageGroupPolicy={"Id": "x"}
    )
    arn = attribute("Group", "ModelPackageGroupArn")
    assert stack.deploy({"Group": group}, Ref={"Ref": "Group"}, Arn=arn) == "CREATE_COMPLETE"
    client = stack.cloud.client("sagemaker")
    found = client.describe_model_package_group(ModelPackageGroupName="twins")
    assert stack.outputs == {"Ref": found["ModelPackageGroupArn"], "Arn": found["ModelPackageGroupArn"]}
    assert (
        client.get_model_package_group_policy(ModelPackageGroupName="twins")["ResourcePolicy"]
        == '{"Id": "x"}'
    )
    assert stack.delete() == "DELETED"
    assert client.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def broken(path: str, value: Any) -> Template:
    """`realtime` with one property changed, named `LogicalId.Property.…`."""
    template = realtime("broken")
    logical_id, *steps = path.split(".")
    place = template[logical_id]["Properties"]
    for step in steps[:-1]:
        place = place[int(step) if step.isdecimal() else step]
    place[steps[-1]] = value
    return template


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (
            "Model.PrimaryContaner",
            {},
            "extraneous key [PrimaryContaner] is not permitted; accepted: Containers, ",
        ),
        (
            "Model.PrimaryContainer.Imagine",
            "x",
            "#/PrimaryContainer: extraneous key [Imagine] is not permitted",
        ),
        (
            "Model.ExecutionRoleArn",
            "arn:aws:iam::000000000000:role/missing",
            "Could not assume role arn:aws:iam::000000000000:role/missing. Please ensure that the role ",
        ),
        (
            "Config.ProductionVariants.0.InitialInstanceCount",
            "many",
            '#/ProductionVariants/0/InitialInstanceCount: expected integer, found "many"',
        ),
        ("Config.ProductionVariants.0.ModelName", "missing", 'Could not find model "arn:aws:sagemaker:'),
        (
            "Endpoint.EndpointConfigName",
            "missing",
            'Could not find endpoint configuration "arn:aws:sagemaker:',
        ),
        (
            "Component.Specification.ModelName",
            "missing",
            "Service: SageMaker, Status Code: 400, Error Code: Valid",
        ),
        ("Component.InferenceComponentStatus", "InService", "this property is read-only"),
        (
            "Component.RuntimeConfig",
            {},
            "at 'runtimeConfig.copyCount' failed to satisfy constraint: Member must not be null",
        ),
        ("Component.Specifications", [], "exactly one of [Specification, Specifications] is required"),
    ],
)
def test_a_wrong_template_fails_as_on_aws(stack: Stack, path: str, value: Any, reason: str) -> None:
    assert stack.deploy(broken(path, value)) == "ROLLBACK_COMPLETE"
    assert reason in stack.reason(path.split(".")[0])


def test_a_policy_for_the_wrong_dimension_fails(stack: Stack) -> None:
    template = {**realtime("f"), **scaling("f")}
    tracked = template["Policy"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    tracked["PredefinedMetricSpecification"]["PredefinedMetricType"] = (
        "SageMakerVariantInvocationsPerInstance"
    )
    assert stack.deploy(template) == "ROLLBACK_COMPLETE"
    assert "is not supported for the scalable dimension" in stack.reason("Policy")


def test_a_target_of_nothing_fails(stack: Stack) -> None:
    template = scaling("nothing")
    del template["Target"]["DependsOn"]
    assert stack.deploy(template) == "ROLLBACK_COMPLETE"
    assert "Inference component does not exist: inference-component/nothing-component" in stack.reason(
        "Target"
    )


def test_what_is_already_gone_counts_as_deleted(stack: Stack) -> None:
    stack.deploy(realtime("g"))
    client = stack.cloud.client("sagemaker")
    client.delete_inference_component(InferenceComponentName="g-component")
    client.delete_endpoint(EndpointName="g-endpoint")
    assert stack.delete() == "DELETED"


def test_a_bucket_with_an_index_of_its_own_stays(stack: Stack, tmp_path: Path) -> None:
    stack.deploy({"Bucket": resource("S3Vectors::VectorBucket")}, Bucket={"Ref": "Bucket"})
    client = stack.cloud.client("s3vectors")
    bucket = stack.outputs["Bucket"]
    arn = client.create_index(
        vectorBucketArn=bucket, indexName="mine", dataType="float32", dimension=2, distanceMetric="cosine"
    )["indexArn"]
    assert stack.delete() == "DELETE_FAILED"
    assert "The specified vector bucket is not empty" in stack.reason("Bucket")
    client.delete_index(indexArn=arn)
