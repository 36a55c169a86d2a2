"""A model as SageMaker hosts it: container, weights, configuration of vLLM, place in the network."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.execution_role import ModelExecutionRole
from stacks.constructs.private_network import PrivateNetwork
from stacks.naming import Names
from twin.settings.model import ModelSettings


def vllm_environment(model: ModelSettings, accelerators: int) -> dict[str, str]:
    """The container's `SM_VLLM_<ARGUMENT>` variables; each becomes `--<argument>` of vLLM."""
    arguments: dict[str, object] = {
        "served-model-name": model.id,
        "max-model-len": model.max_model_len,
        "max-num-seqs": model.max_num_seqs,
        "dtype": model.dtype,
        "gpu-memory-utilization": model.gpu_memory_utilization,
        # The container drops arguments that are false, and vLLM caches unless it is told not to.
        "enable-prefix-caching" if model.prefix_caching else "no-enable-prefix-caching": True,
        "tensor-parallel-size": accelerators,
    }
    if model.quantization != "none":
        arguments["quantization"] = model.quantization
    return {
        f"SM_VLLM_{name.upper().replace('-', '_')}": value if isinstance(value, str) else json.dumps(value)
        for name, value in arguments.items()
    }


def hosted_model(
    scope: Construct,
    construct_id: str,
    *,
    names: Names,
    model: ModelSettings,
    accelerators: int,
    network: PrivateNetwork,
    execution_role: ModelExecutionRole,
) -> sagemaker.CfnModel:
    """The model, spanning `accelerators` GPUs.

    It has no name: CloudFormation replaces it on any change, and creates the new one before it deletes the
    old one, which a fixed name would prevent.
    """
    resource = sagemaker.CfnModel(
        scope,
        construct_id,
        execution_role_arn=execution_role.role.role_arn,
        enable_network_isolation=True,
        primary_container=_container(cdk.Stack.of(scope), names, model, accelerators),
        vpc_config=sagemaker.CfnModel.VpcConfigProperty(
            security_group_ids=[network.model_group.security_group_id], subnets=network.subnet_ids
        ),
    )
    resource.node.add_dependency(execution_role.role)
    return resource


def _container(
    stack: cdk.Stack, names: Names, model: ModelSettings, accelerators: int
) -> sagemaker.CfnModel.ContainerDefinitionProperty:
    environment = vllm_environment(model, accelerators)
    if model.source.s3_uri is None:
        return sagemaker.CfnModel.ContainerDefinitionProperty(
            model_package_name=_package(stack, names, str(model.source.registry_version)),
            environment=environment,
        )
    registry = f"{model.image.account}.dkr.ecr.{stack.region}.{stack.url_suffix}"
    return sagemaker.CfnModel.ContainerDefinitionProperty(
        image=f"{registry}/{model.image.repository}:{model.image.tag}",
        environment=environment,
        model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
            s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                s3_uri=model.source.s3_uri, s3_data_type="S3Prefix", compression_type="None"
            )
        ),
    )


def _package(stack: cdk.Stack, names: Names, version: str) -> str:
    """ARN of a registered version; `version` is one already, or a number in this environment's group."""
    if version.startswith("arn:"):
        return version
    return stack.format_arn(
        service="sagemaker",
        resource="model-package",
        resource_name=f"{names.model_package_group}/{version}",
    )
