"""The model that transform jobs run."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.execution_role import ModelExecutionRole
from stacks.constructs.hosted_model import vllm_environment
from stacks.constructs.private_network import PrivateNetwork
from twin.settings.batch import BatchSettings
from twin.settings.model import ModelSettings

_WEIGHTS = "/opt/ml/model"
"""Where SageMaker unpacks the archive."""

_RUNTIME_QUANTIZATION = frozenset({"fp8", "bitsandbytes"})
"""What LMI quantizes by itself. AWQ and GPTQ weights carry their settings, and are slower when told again."""


def lmi_environment(model: ModelSettings, accelerators: int, *, timeout_seconds: int) -> dict[str, str]:
    """Variables of AWS's LMI container; each `OPTION_<ARGUMENT>` becomes an argument of its vLLM engine.

    The server gives up an answer after `timeout_seconds`.
    """
    environment = {
        "HF_MODEL_ID": _WEIGHTS,
        "SERVING_FAIL_FAST": "true",
        "OPTION_ROLLING_BATCH": "disable",
        "OPTION_ASYNC_MODE": "true",
        "OPTION_ENTRYPOINT": "djl_python.lmi_vllm.vllm_async_service",
        # Without it the server gives up earlier than the transform job that waits for it.
        "OPTION_PREDICT_TIMEOUT": str(timeout_seconds),
        "OPTION_TENSOR_PARALLEL_DEGREE": str(accelerators),
        # Clients' `model` is compared with this; without it the container knows itself as `lmi` only.
        "OPTION_SERVED_MODEL_NAME": model.id,
        "OPTION_MAX_MODEL_LEN": str(model.max_model_len),
        # Becomes vLLM's max_num_seqs, in this mode too, and is 32 unless it is set.
        "OPTION_MAX_ROLLING_BATCH_SIZE": str(model.max_num_seqs),
        "OPTION_DTYPE": model.dtype,
        "OPTION_GPU_MEMORY_UTILIZATION": json.dumps(model.gpu_memory_utilization),
        "OPTION_ENABLE_PREFIX_CACHING": json.dumps(model.prefix_caching),
    }
    if model.quantization in _RUNTIME_QUANTIZATION:
        environment["OPTION_QUANTIZE"] = model.quantization
    return environment


class BatchModel(Construct):
    """A SageMaker model from an archive of weights, isolated in the private network.

    It has no name, since every change replaces it. A deploy that does so leaves batches that have not come to
    their transform job without a model: their lines end as errors.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model: ModelSettings,
        batch: BatchSettings,
        network: PrivateNetwork,
        execution_role: ModelExecutionRole,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        image = batch.image
        registry = f"{image.account}.dkr.ecr.{stack.region}.{stack.url_suffix}"
        resource = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=execution_role.role.role_arn,
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=f"{registry}/{image.repository}:{image.tag}",
                model_data_url=batch.model_data_url,
                environment=container_environment(model, batch),
            ),
            vpc_config=sagemaker.CfnModel.VpcConfigProperty(
                security_group_ids=[network.model_group.security_group_id],
                subnets=network.subnet_ids,
            ),
        )
        # Instances join and leave the network by the role's rights.
        resource.node.add_dependency(execution_role.role)
        self.name = resource.attr_model_name


def container_environment(model: ModelSettings, batch: BatchSettings) -> dict[str, str]:
    """Variables of the container that the settings name; the model spans all GPUs of an instance."""
    gpus = batch.instance.gpus
    if batch.image.is_lmi:
        return lmi_environment(model, gpus, timeout_seconds=batch.invocation_timeout_seconds)
    return vllm_environment(model, gpus)
