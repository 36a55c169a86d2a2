"""The templates of every environment, prod's too, deployed into one fresh local cloud."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk
import pytest

import app as application
from stacks.bundles import Bundle, Bundles
from stacks.naming import Names
from tests.e2e.lookups import LOOKUPS, PARTS, found
from tests.stacks.synthesis import NOUNS, flags
from twin.deployment.bring_up import LocalDeployment
from twin.deployment.cdk import Cdk
from twin.deployment.target import Target
from twin.local import ACCOUNT, lifecycle
from twin.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twin.settings import Environment

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("every-environment")]

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ("dev", "staging", "prod")
ABSENT = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class EmptyCloud:
    """A local cloud with nothing but the bootstrap stack."""

    state: Path
    port: int

    def target(self, environment: str) -> Target:
        url = f"http://127.0.0.1:{self.port}"
        return Target(environment, "us-east-1", url, self.state / "home")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[EmptyCloud]:
    state = tmp_path_factory.mktemp("every-environment")
    local = load(ROOT / "environments" / "local.yaml")
    port = free_port()
    lifecycle.start(lifecycle.options_for(local, state, port))
    try:
        LocalDeployment(ROOT, state, port, local).bootstrap()
        yield EmptyCloud(state, port)
    finally:
        lifecycle.stop(state)


def _synthesize(environment: Environment, folder: Path) -> None:
    """Synthesize with functions of one file each: here they are deployed and never called."""
    code = folder / "bundle"
    code.mkdir(parents=True)
    (code / "run.sh").write_text("exit 1\n", encoding="utf-8")
    bundle = Bundle(code, "0" * 64)
    root = aws_cdk.App(context=flags(), outdir=str(folder / "assembly"), analytics_reporting=False)
    # The local cloud is one account, whichever the environment file names.
    application.compose(
        root, environment.model_copy(update={"account": ACCOUNT}), Bundles(*[bundle] * len(fields(Bundles)))
    )
    root.synth()


def _register_model(target: Target) -> None:
    """Register the version that the environment file pins, as `staging` and `prod` expect."""
    target.client("sagemaker").create_model_package(
        ModelPackageGroupName=Names(target.environment).model_package_group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [
                {
                    "Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:test",
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": "s3://weights/twin/",
                            "S3DataType": "S3Prefix",
                            "CompressionType": "None",
                        }
                    },
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_resource_of_every_stack_is_there(name: str, cloud: EmptyCloud, tmp_path: Path) -> None:
    environment = load(ROOT / "environments" / f"{name}.yaml")
    _synthesize(environment, tmp_path)
    target = cloud.target(name)
    cdk = Cdk(ROOT, target, tmp_path / "cdk.log", tmp_path / "assembly", synthesized=True)
    if environment.model.source.registry_version is not None:
        cdk.deploy(lambda stack, changed: None, stacks=[Names(name).stack("registry")])
        _register_model(target)
    cdk.deploy(lambda stack, changed: None)

    templates = sorted((tmp_path / "assembly").glob("*.template.json"))
    assert len(templates) == len(NOUNS)
    for path in templates:
        declared = json.loads(path.read_text(encoding="utf-8"))["Resources"]
        deployed = _resources(target, path.name.removesuffix(".template.json"))
        assert {key: value["Type"] for key, value in declared.items()} == {
            key: value["ResourceType"] for key, value in deployed.items()
        }
        assert {value["ResourceStatus"] for value in deployed.values()} == {"CREATE_COMPLETE"}
        assert all(value["PhysicalResourceId"] for value in deployed.values())
        resources = [(each["ResourceType"], each["PhysicalResourceId"]) for each in deployed.values()]
        assert [each for each in resources if each[0] not in PARTS and not found(target, *each)] == []
    _look_at_the_endpoint(target, environment)


def test_a_missing_resource_is_noticed(cloud: EmptyCloud) -> None:
    target = cloud.target("dev")
    assert [kind for kind in LOOKUPS if found(target, kind, ABSENT)] == []


def _resources(target: Target, stack: str) -> dict[str, dict[str, Any]]:
    pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    return {each["LogicalResourceId"]: each for page in pages for each in page["StackResourceSummaries"]}


def _look_at_the_endpoint(target: Target, environment: Environment) -> None:
    """Read back, through the services' own APIs, what the deploy was for."""
    names = Names(environment.name)
    sagemaker = target.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=names.endpoint)
    assert endpoint["EndpointStatus"] == "InService"
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    pools = config["ProductionVariants"][0]["InstancePools"]
    by_priority = sorted(pools, key=lambda pool: pool["Priority"])
    assert [pool["InstanceType"] for pool in by_priority] == list(environment.realtime.instance_types)

    component = sagemaker.describe_inference_component(InferenceComponentName=names.inference_component)
    assert component["InferenceComponentStatus"] == "InService"
    scaling = target.client("application-autoscaling")
    resource = f"inference-component/{names.inference_component}"
    [scalable] = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[resource])[
        "ScalableTargets"
    ]
    copies = environment.realtime.copies
    assert (scalable["MinCapacity"], scalable["MaxCapacity"]) == (copies.min, copies.max)
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=resource)
    kinds = {policy["PolicyType"] for policy in policies["ScalingPolicies"]}
    assert kinds == (
        {"TargetTrackingScaling", "StepScaling"} if copies.min == 0 else {"TargetTrackingScaling"}
    )
