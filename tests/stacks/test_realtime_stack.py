"""The realtime stack."""

from __future__ import annotations

import json

import pytest

from stacks.constructs.hosted_model import vllm_environment
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Json, as_list, with_action


def hosting(synthesis: Synthesis) -> list[Json]:
    """Statements of what every role that runs the model may do."""
    statements: list[Json] = synthesis.registry.at("ModelRights/Hosting")["PolicyDocument"]["Statement"]
    return statements


def weights(synthesis: Synthesis) -> list[Json]:
    """Statements of what endpoints may read."""
    statements: list[Json] = synthesis.registry.at("ModelRights/Weights")["PolicyDocument"]["Statement"]
    return statements


def variant(synthesis: Synthesis) -> dict[str, object]:
    [found] = synthesis.realtime.only("AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    return dict(found)


def test_prod_prefers_the_smallest_48_gb_instance_and_falls_back(prod: Synthesis) -> None:
    assert variant(prod)["InstancePools"] == [
        {"InstanceType": "ml.g6e.xlarge", "Priority": 1},
        {"InstanceType": "ml.g6e.2xlarge", "Priority": 2},
        {"InstanceType": "ml.g5.2xlarge", "Priority": 3},
    ]


def test_prod_keeps_one_to_six_copies(prod: Synthesis) -> None:
    target = prod.realtime.only("AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 6)


def test_dev_scales_to_zero(dev: Synthesis) -> None:
    target = dev.realtime.only("AWS::ApplicationAutoScaling::ScalableTarget")
    scaling = variant(dev)["ManagedInstanceScaling"]
    assert target["MinCapacity"] == 0
    assert isinstance(scaling, dict)
    assert scaling["MinInstanceCount"] == 0


def test_instances_follow_copies_and_idle_ones_are_released(synthesis: Synthesis) -> None:
    realtime = synthesis.environment.realtime
    assert variant(synthesis)["ManagedInstanceScaling"] == {
        "Status": "ENABLED",
        "MinInstanceCount": realtime.min_instances,
        "MaxInstanceCount": realtime.max_instances,
        "ScaleInPolicy": {"Strategy": "IDLE_RELEASE", "MaximumStepSize": 1, "CooldownInMinutes": 20},
    }


def test_variant_serves_inference_components(synthesis: Synthesis) -> None:
    found = variant(synthesis)
    assert "ModelName" not in found
    assert "InstanceType" not in found
    assert found["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    assert found["InitialInstanceCount"] == 1


def test_starts_have_time_limits(synthesis: Synthesis) -> None:
    found = variant(synthesis)
    assert found["ModelDataDownloadTimeoutInSeconds"] == 1200
    assert found["ContainerStartupHealthCheckTimeoutInSeconds"] == 900
    assert found["VariantInstanceProvisionTimeoutInSeconds"] == 600


def test_host_driver_matches_the_images_cuda(synthesis: Synthesis) -> None:
    assert "-cu130-" in synthesis.environment.model.image.tag
    assert variant(synthesis)["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"


@pytest.mark.parametrize("kind", ["AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model"])
def test_what_is_replaced_has_no_fixed_name(synthesis: Synthesis, kind: str) -> None:
    properties = synthesis.realtime.only(kind)
    assert not {"EndpointConfigName", "ModelName"} & set(properties)


def test_endpoint_keeps_its_scaled_count_across_deploys(synthesis: Synthesis) -> None:
    endpoint = synthesis.realtime.only("AWS::SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    assert "ExcludeRetainedVariantProperties" not in endpoint


@pytest.mark.parametrize("kind", ["AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model"])
def test_containers_are_isolated_in_the_private_network(synthesis: Synthesis, kind: str) -> None:
    properties = synthesis.realtime.only(kind)
    assert properties["EnableNetworkIsolation"] is True
    assert len(properties["VpcConfig"]["Subnets"]) == len(synthesis.environment.network.availability_zones)
    assert len(properties["VpcConfig"]["SecurityGroupIds"]) == 1


def test_instance_volumes_are_encrypted_with_the_key(synthesis: Synthesis) -> None:
    configuration = synthesis.realtime.only("AWS::SageMaker::EndpointConfig")
    assert "EncryptionKey" in configuration["KmsKeyId"]["Fn::ImportValue"]


def test_component_takes_one_gpu_and_starts_with_a_copy(synthesis: Synthesis) -> None:
    component = synthesis.realtime.only("AWS::SageMaker::InferenceComponent")
    needs = component["Specification"]["ComputeResourceRequirements"]
    assert needs["NumberOfAcceleratorDevicesRequired"] == 1
    assert needs["MinMemoryRequiredInMb"] == synthesis.environment.realtime.memory_mib_per_copy
    assert component["RuntimeConfig"] == {"CopyCount": 1}
    assert component["VariantName"] == variant(synthesis)["VariantName"]


def test_component_waits_for_the_endpoint_and_scaling_for_the_component(synthesis: Synthesis) -> None:
    realtime = synthesis.realtime
    endpoint, _ = realtime.find("Endpoint/Endpoint")
    component_id, component = realtime.find("Endpoint/Component")
    [target] = realtime.resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert endpoint in component["DependsOn"]
    assert component_id in target["DependsOn"]


def test_the_roles_rights_come_before_the_endpoint_and_go_after_it(synthesis: Synthesis) -> None:
    policy, _ = synthesis.realtime.find("ExecutionRole/Role/DefaultPolicy")
    configuration_id, configuration = synthesis.realtime.find("Endpoint/Configuration")
    endpoint = synthesis.realtime.only("AWS::SageMaker::Endpoint")
    assert policy in configuration["DependsOn"]
    assert endpoint["EndpointConfigName"]["Fn::GetAtt"][0] == configuration_id


def test_scaling_uses_the_service_linked_role(synthesis: Synthesis) -> None:
    target = synthesis.realtime.only("AWS::ApplicationAutoScaling::ScalableTarget")
    assert target["RoleARN"].endswith(
        "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
    roles = synthesis.realtime.properties("AWS::IAM::Role")
    assert [role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] for role in roles] == [
        {"Service": "sagemaker.amazonaws.com"}
    ]


def test_copies_follow_the_concurrency_of_a_copy(synthesis: Synthesis) -> None:
    realtime = synthesis.environment.realtime
    [tracking] = [
        policy["TargetTrackingScalingPolicyConfiguration"]
        for policy in synthesis.realtime.properties("AWS::ApplicationAutoScaling::ScalingPolicy")
        if policy["PolicyType"] == "TargetTrackingScaling"
    ]
    assert tracking == {
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
        },
        "TargetValue": realtime.target_concurrency_per_copy,
        "ScaleOutCooldown": realtime.cooldowns.scale_out_seconds,
        "ScaleInCooldown": realtime.cooldowns.scale_in_seconds,
    }


@pytest.mark.parametrize(
    "metric",
    [
        "SageMakerVariantInvocationsPerInstance",
        "SageMakerVariantConcurrentRequestsPerModelHighResolution",
        "SageMakerInferenceComponentInvocationsPerCopy",
        "ApproximateBacklogSize",
        "HasBacklogWithoutCapacity",
    ],
)
def test_no_metric_of_another_deployment_type_is_used(synthesis: Synthesis, metric: str) -> None:
    assert metric not in synthesis.realtime.text()


def test_a_request_at_zero_copies_wakes_one(dev: Synthesis) -> None:
    [(policy_id, policy)] = [
        (logical_id, resource["Properties"])
        for logical_id, resource in dev.realtime.resources(
            "AWS::ApplicationAutoScaling::ScalingPolicy"
        ).items()
        if resource["Properties"]["PolicyType"] == "StepScaling"
    ]
    assert policy["StepScalingPolicyConfiguration"] == {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Maximum",
        "Cooldown": 600,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    }
    alarm = dev.realtime.only("AWS::CloudWatch::Alarm")
    assert alarm["AlarmActions"] == [{"Ref": policy_id}]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SageMaker", "NoCapacityInvocationFailures")
    assert alarm["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "twin-dev-realtime-model"}]
    assert (alarm["Statistic"], alarm["Period"], alarm["Threshold"]) == ("Maximum", 30, 1)
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (1, 1)


def test_an_environment_that_never_reaches_zero_has_nothing_to_wake_it(prod: Synthesis) -> None:
    assert prod.realtime.resources("AWS::CloudWatch::Alarm") == {}


def test_s3_source_is_uncompressed_and_its_prefix_readable(dev: Synthesis) -> None:
    container = dev.realtime.only("AWS::SageMaker::Model")["PrimaryContainer"]
    assert container["ModelDataSource"] == {
        "S3DataSource": {
            "CompressionType": "None",
            "S3DataType": "S3Prefix",
            "S3Uri": "s3://llm-twin-dev-weights/llm-twin-8b/",
        }
    }
    assert container["Image"]["Fn::Join"][1][0] == "763104351884.dkr.ecr.us-east-1."
    read = with_action(weights(dev), "s3:GetObject")
    assert read["Resource"] == "arn:aws:s3:::llm-twin-dev-weights/llm-twin-8b/*"


def test_registry_source_names_a_version_and_its_weights_are_readable(prod: Synthesis) -> None:
    container = prod.realtime.only("AWS::SageMaker::Model")["PrimaryContainer"]
    assert container["ModelPackageName"] == (
        f"arn:aws:sagemaker:us-east-1:{prod.environment.account}:model-package/twin-prod-models/1"
    )
    assert not {"Image", "ModelDataSource", "ModelDataUrl"} & set(container)
    read = with_action(weights(prod), "s3:GetObject")
    assert read["Resource"]["Fn::Join"][1][1] == "/models/*"


def test_vllm_is_configured_from_the_settings(synthesis: Synthesis) -> None:
    model = synthesis.environment.model
    environment = synthesis.realtime.only("AWS::SageMaker::Model")["PrimaryContainer"]["Environment"]
    assert environment == {
        "SM_VLLM_SERVED_MODEL_NAME": "llm-twin-8b",
        "SM_VLLM_MAX_MODEL_LEN": "8192",
        "SM_VLLM_MAX_NUM_SEQS": str(model.max_num_seqs),
        "SM_VLLM_DTYPE": "bfloat16",
        "SM_VLLM_GPU_MEMORY_UTILIZATION": "0.9",
        "SM_VLLM_ENABLE_PREFIX_CACHING": "true",
        "SM_VLLM_TENSOR_PARALLEL_SIZE": "1",
    }


def test_quantization_is_passed_only_where_there_is_one(prod: Synthesis) -> None:
    quantized = prod.environment.model.model_copy(update={"quantization": "awq"})
    assert vllm_environment(quantized, 2)["SM_VLLM_QUANTIZATION"] == "awq"
    assert vllm_environment(quantized, 2)["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "2"
    assert "SM_VLLM_QUANTIZATION" not in vllm_environment(prod.environment.model, 1)


def test_prefix_caching_is_switched_off_in_words_that_the_container_does_not_drop(prod: Synthesis) -> None:
    model = prod.environment.model.model_copy(update={"prefix_caching": False})
    environment = vllm_environment(model, 1)
    assert environment["SM_VLLM_NO_ENABLE_PREFIX_CACHING"] == "true"
    assert "SM_VLLM_ENABLE_PREFIX_CACHING" not in environment
    assert "false" not in environment.values()


def test_no_hub_token_or_hub_name_reaches_the_container(synthesis: Synthesis) -> None:
    assert "HF_" not in synthesis.realtime.text()
    assert "HUGGING" not in synthesis.realtime.text().upper()


def test_execution_role_changes_interfaces_of_its_own_network_only(synthesis: Synthesis) -> None:
    vpc = {
        "ec2:Vpc": with_action(hosting(synthesis), "ec2:DeleteNetworkInterface")["Condition"]["ArnEquals"][
            "ec2:Vpc"
        ]
    }
    create = with_action(hosting(synthesis), "ec2:CreateNetworkInterface")
    permit = with_action(hosting(synthesis), "ec2:CreateNetworkInterfacePermission")
    assert "NetworkVpc" in json.dumps(vpc)
    assert create["Condition"] == {"ArnEqualsIfExists": vpc}
    assert permit["Condition"] == {"ArnEquals": vpc}


def test_execution_role_shares_what_has_no_resource_and_the_weights(synthesis: Synthesis) -> None:
    policies = json.dumps(synthesis.realtime.at("ExecutionRole/Role")["ManagedPolicyArns"])
    assert "ModelRightsHosting" in policies
    assert "ModelRightsWeights" in policies
    assert len(synthesis.realtime.at("ExecutionRole/Role")["ManagedPolicyArns"]) == 2


def test_execution_role_gives_the_key_only_to_services(synthesis: Synthesis) -> None:
    grant = with_action(synthesis.realtime.statements("ExecutionRole/Role"), "kms:CreateGrant")
    assert as_list(grant["Action"]) == ["kms:CreateGrant"]
    assert grant["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_execution_role_writes_logs_and_reads_none(synthesis: Synthesis) -> None:
    statements = synthesis.realtime.statements("ExecutionRole/Role")
    assert with_action(statements, "logs:PutLogEvents")["Action"] == [
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
    ]
    assert "logs:" not in json.dumps(hosting(synthesis))


def test_logs_of_endpoint_and_model_are_kept_as_long_as_the_others(synthesis: Synthesis) -> None:
    groups = synthesis.realtime.properties("AWS::Logs::LogGroup")
    name = synthesis.environment.name
    assert {group["LogGroupName"] for group in groups} == {
        f"/aws/sagemaker/Endpoints/twin-{name}-realtime",
        f"/aws/sagemaker/InferenceComponents/twin-{name}-realtime-model",
    }
    assert {group["RetentionInDays"] for group in groups} == {synthesis.environment.logs.retention_days}
