"""The asynchronous endpoint: a queue of SageMaker's own before instances that come and go."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.encryption_key import EncryptionKey
from stacks.constructs.execution_role import ModelExecutionRole
from stacks.constructs.hosted_model import hosted_model
from stacks.constructs.outcome_feed import OutcomeFeed
from stacks.constructs.private_network import PrivateNetwork
from stacks.naming import (
    ASYNC_CAPTURE_PREFIX,
    ASYNC_FAILURE_PREFIX,
    ASYNC_OUTPUT_PREFIX,
    VARIANT,
    Names,
)
from twin.settings.asynchronous import AsynchronousSettings
from twin.settings.model import ModelSettings

_TERMINATION_WAIT_SECONDS = 300
"""The old instances stay this long after the last traffic has moved, and can still be gone back to."""

_LONGEST_ROLLOUT_SECONDS = 28_800
"""SageMaker's limit on a deployment."""

_ALARMS = {
    "ModelErrors": ("Invocation5XXErrors", "The model answers requests with errors of its own"),
    "LostAnswers": ("ResponseUploadFailures", "Answers cannot be written to the bucket"),
    "LostNotices": ("NotificationFailures", "Nobody can be told that requests have ended"),
}
"""What goes back to the old model: failures that a deploy brings, not those that clients cause."""


def grant_invoke_async(role: iam.Role, names: Names) -> None:
    """Allow handing requests to the endpoint, which callers know by name, not by an export."""
    endpoint = cdk.Stack.of(role).format_arn(
        service="sagemaker", resource="endpoint", resource_name=names.async_endpoint
    )
    role.add_to_policy(iam.PolicyStatement(actions=["sagemaker:InvokeEndpointAsync"], resources=[endpoint]))


class AsynchronousEndpoint(Construct):
    """Model, endpoint configuration, endpoint, and the alarms that roll a deploy back.

    Neither the model nor the configuration has a name, since CloudFormation replaces both on any change.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        model: ModelSettings,
        asynchronous: AsynchronousSettings,
        network: PrivateNetwork,
        key: EncryptionKey,
        bucket_name: str,
        outcomes: OutcomeFeed,
        execution_role: ModelExecutionRole,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names, self._settings, self._bucket_name = names, asynchronous, bucket_name
        resource = hosted_model(
            self,
            "Model",
            names=names,
            model=model,
            accelerators=asynchronous.accelerators_per_instance,
            network=network,
            execution_role=execution_role,
        )
        configuration = sagemaker.CfnEndpointConfig(
            self,
            "Configuration",
            # Encrypts the EBS volume; the instances' own NVMe disks are encrypted by their hardware.
            kms_key_id=key.arn,
            production_variants=[self._variant(model, resource)],
            async_inference_config=self._inference(key, outcomes),
            data_capture_config=self._capture(key) if asynchronous.data_capture_percent else None,
        )
        # Until the endpoint is gone, SageMaker uses the role's rights and the topics.
        configuration.node.add_dependency(execution_role.role)
        configuration.node.add_dependency(outcomes)
        alarms = [self._alarm(name, metric, text) for name, (metric, text) in _ALARMS.items()]
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=names.async_endpoint,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            # Without this a deploy sets the number of instances back to the configuration's…
            retain_all_variant_properties=True,
            # …and with it alone, it would keep the old data capture.
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DataCaptureConfig")
            ],
            deployment_config=self._rollout(alarms),
        )

    def metric(self, name: str, *, period: cdk.Duration) -> cloudwatch.Metric:
        """The average of a metric of the endpoint as a whole, such as its backlog."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={"EndpointName": self._names.async_endpoint},
            statistic="Average",
            period=period,
        )

    def _variant(
        self, model: ModelSettings, resource: sagemaker.CfnModel
    ) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        config, settings = sagemaker.CfnEndpointConfig, self._settings
        timeouts = settings.start_timeouts
        alone = settings.instance_types[0] if len(settings.instance_types) == 1 else None
        pools = [
            config.InstancePoolProperty(instance_type=name, priority=priority)
            for priority, name in enumerate(settings.instance_types, start=1)
        ]
        return config.ProductionVariantProperty(
            variant_name=VARIANT,
            model_name=resource.attr_model_name,
            initial_instance_count=settings.instances.initial,
            initial_variant_weight=1,
            instance_type=alone,
            instance_pools=None if alone else pools,
            variant_instance_provision_timeout_in_seconds=(
                None if alone else timeouts.instance_provision_seconds
            ),
            model_data_download_timeout_in_seconds=timeouts.model_download_seconds,
            container_startup_health_check_timeout_in_seconds=timeouts.container_startup_seconds,
            inference_ami_version=model.image.inference_ami,
        )

    def _inference(
        self, key: EncryptionKey, outcomes: OutcomeFeed
    ) -> sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty:
        config = sagemaker.CfnEndpointConfig
        return config.AsyncInferenceConfigProperty(
            client_config=config.AsyncInferenceClientConfigProperty(
                max_concurrent_invocations_per_instance=(
                    self._settings.max_concurrent_invocations_per_instance
                )
            ),
            output_config=config.AsyncInferenceOutputConfigProperty(
                s3_output_path=self._uri(ASYNC_OUTPUT_PREFIX),
                s3_failure_path=self._uri(ASYNC_FAILURE_PREFIX),
                kms_key_id=key.arn,
                notification_config=config.AsyncInferenceNotificationConfigProperty(
                    success_topic=outcomes.successes.topic_arn, error_topic=outcomes.errors.topic_arn
                ),
            ),
        )

    def _capture(self, key: EncryptionKey) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
        config = sagemaker.CfnEndpointConfig
        return config.DataCaptureConfigProperty(
            enable_capture=True,
            initial_sampling_percentage=self._settings.data_capture_percent,
            destination_s3_uri=self._uri(ASYNC_CAPTURE_PREFIX),
            kms_key_id=key.arn,
            capture_options=[
                config.CaptureOptionProperty(capture_mode="Input"),
                config.CaptureOptionProperty(capture_mode="Output"),
            ],
            # Anything else is captured as base64.
            capture_content_type_header=config.CaptureContentTypeHeaderProperty(
                json_content_types=["application/json"]
            ),
        )

    def _uri(self, prefix: str) -> str:
        # Without the last slash: SageMaker puts one between this and the name of an object.
        return f"s3://{self._bucket_name}/{prefix.removesuffix('/')}"

    def _alarm(self, construct_id: str, metric: str, description: str) -> cloudwatch.Alarm:
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=metric,
            dimensions_map={"EndpointName": self._names.async_endpoint, "VariantName": VARIANT},
            statistic="Sum",
            period=cdk.Duration.minutes(1),
        ).create_alarm(
            self,
            construct_id,
            alarm_description=description,
            threshold=1,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _rollout(self, alarms: list[cloudwatch.Alarm]) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
        """A share of the new instances first, the rest when no alarm went off, the old ones kept a while."""
        endpoint, rollout = sagemaker.CfnEndpoint, self._settings.rollout
        waits = rollout.bake_seconds + _TERMINATION_WAIT_SECONDS
        # Both parts of the fleet start one after the other.
        starts = 2 * self._settings.start_timeouts.total_seconds
        return endpoint.DeploymentConfigProperty(
            blue_green_update_policy=endpoint.BlueGreenUpdatePolicyProperty(
                traffic_routing_configuration=endpoint.TrafficRoutingConfigProperty(
                    type="CANARY",
                    canary_size=endpoint.CapacitySizeProperty(
                        type="CAPACITY_PERCENT", value=rollout.canary_percent
                    ),
                    wait_interval_in_seconds=rollout.bake_seconds,
                ),
                termination_wait_in_seconds=_TERMINATION_WAIT_SECONDS,
                maximum_execution_timeout_in_seconds=min(starts + waits, _LONGEST_ROLLOUT_SECONDS),
            ),
            auto_rollback_configuration=endpoint.AutoRollbackConfigProperty(
                alarms=[endpoint.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in alarms]
            ),
        )
