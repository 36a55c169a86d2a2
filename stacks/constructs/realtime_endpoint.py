"""The realtime endpoint: a model as an inference component on instances that come and go."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.execution_role import ModelExecutionRole
from stacks.constructs.hosted_model import hosted_model
from stacks.constructs.private_network import PrivateNetwork
from stacks.naming import VARIANT, Names
from twin.settings.model import ModelSettings
from twin.settings.realtime import RealtimeSettings


def grant_invoke(role: iam.Role, names: Names) -> None:
    """Allow calling the model. Endpoints are replaced, so callers know them by name, not by an export."""
    stack = cdk.Stack.of(role)
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"],
            resources=[
                stack.format_arn(service="sagemaker", resource="endpoint", resource_name=names.endpoint),
                stack.format_arn(
                    service="sagemaker",
                    resource="inference-component",
                    resource_name=names.inference_component,
                ),
            ],
        )
    )


class RealtimeEndpoint(Construct):
    """Model, endpoint configuration, endpoint and inference component.

    The model and the configuration have no names: CloudFormation replaces both on any change, and creates
    the new one before it deletes the old one, which a fixed name would prevent.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        model: ModelSettings,
        realtime: RealtimeSettings,
        network: PrivateNetwork,
        key: EncryptionKey,
        execution_role: ModelExecutionRole,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        self._realtime = realtime
        self._network = network
        self._role = execution_role.role
        resource = hosted_model(
            self,
            "Model",
            names=names,
            model=model,
            accelerators=realtime.accelerators_per_copy,
            network=network,
            execution_role=execution_role,
        )
        endpoint = self._endpoint(self._configuration(model, key))
        self.inference_component = self._component(resource, endpoint)

    def _configuration(self, model: ModelSettings, key: EncryptionKey) -> sagemaker.CfnEndpointConfig:
        configuration = sagemaker.CfnEndpointConfig(
            self,
            "Configuration",
            execution_role_arn=self._role.role_arn,
            enable_network_isolation=True,
            # Encrypts the EBS volume; the instances' own NVMe disks are encrypted by their hardware.
            kms_key_id=key.arn,
            vpc_config=sagemaker.CfnEndpointConfig.VpcConfigProperty(
                security_group_ids=[self._network.model_group.security_group_id],
                subnets=self._network.subnet_ids,
            ),
            production_variants=[self._variant(model)],
        )
        # Instances join and leave the network by the role's rights, which must outlive the endpoint.
        configuration.node.add_dependency(self._role)
        return configuration

    def _variant(self, model: ModelSettings) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        config = sagemaker.CfnEndpointConfig
        realtime, timeouts, release = (
            self._realtime,
            self._realtime.start_timeouts,
            self._realtime.instance_release,
        )
        return config.ProductionVariantProperty(
            variant_name=VARIANT,
            initial_instance_count=realtime.initial_instances,
            instance_pools=[
                config.InstancePoolProperty(instance_type=name, priority=priority)
                for priority, name in enumerate(realtime.instance_types, start=1)
            ],
            variant_instance_provision_timeout_in_seconds=timeouts.instance_provision_seconds,
            model_data_download_timeout_in_seconds=timeouts.model_download_seconds,
            container_startup_health_check_timeout_in_seconds=timeouts.container_startup_seconds,
            inference_ami_version=model.image.inference_ami,
            managed_instance_scaling=config.ManagedInstanceScalingProperty(
                status="ENABLED",
                min_instance_count=realtime.min_instances,
                max_instance_count=realtime.max_instances,
                scale_in_policy=config.ScaleInPolicyProperty(
                    strategy="IDLE_RELEASE",
                    maximum_step_size=release.maximum_step_size,
                    cooldown_in_minutes=release.cooldown_minutes,
                ),
            ),
            routing_config=config.RoutingConfigProperty(routing_strategy="LEAST_OUTSTANDING_REQUESTS"),
        )

    def _endpoint(self, configuration: sagemaker.CfnEndpointConfig) -> sagemaker.CfnEndpoint:
        return sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self._names.endpoint,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            # Without this a deploy sets the number of instances back to the configuration's.
            retain_all_variant_properties=True,
        )

    def _component(
        self, model: sagemaker.CfnModel, endpoint: sagemaker.CfnEndpoint
    ) -> sagemaker.CfnInferenceComponent:
        component, realtime = sagemaker.CfnInferenceComponent, self._realtime
        resource = component(
            self,
            "Component",
            inference_component_name=self._names.inference_component,
            endpoint_name=self._names.endpoint,
            variant_name=VARIANT,
            specification=component.InferenceComponentSpecificationProperty(
                model_name=model.attr_model_name,
                compute_resource_requirements=component.InferenceComponentComputeResourceRequirementsProperty(
                    number_of_accelerator_devices_required=realtime.accelerators_per_copy,
                    min_memory_required_in_mb=realtime.memory_mib_per_copy,
                ),
                startup_parameters=component.InferenceComponentStartupParametersProperty(
                    model_data_download_timeout_in_seconds=realtime.start_timeouts.model_download_seconds,
                    container_startup_health_check_timeout_in_seconds=realtime.start_timeouts.container_startup_seconds,
                ),
            ),
            runtime_config=component.InferenceComponentRuntimeConfigProperty(
                copy_count=realtime.copies.initial
            ),
        )
        resource.add_resource_dependency(endpoint)
        return resource
