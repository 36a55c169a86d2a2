"""How many copies of the model are in service."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.scaling_role import scaling_role
from stacks.naming import Names
from twin.settings.realtime import RealtimeSettings


class CopyScaling(Construct):
    """Target tracking on requests in flight per copy, and waking from zero where zero copies are allowed."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        settings: RealtimeSettings,
        component: sagemaker.CfnInferenceComponent,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        self._settings = settings
        self.target = scaling.ScalableTarget(
            self,
            "Target",
            service_namespace=scaling.ServiceNamespace.SAGEMAKER,
            scalable_dimension="sagemaker:inference-component:DesiredCopyCount",
            resource_id=f"inference-component/{names.inference_component}",
            min_capacity=settings.copies.min,
            max_capacity=settings.copies.max,
            role=scaling_role(self),
        )
        # The resource id is a plain string, which tells CloudFormation nothing about the order.
        self.target.node.add_dependency(component)
        self.target.scale_to_track_metric(
            "Concurrency",
            predefined_metric=(
                scaling.PredefinedMetric.SAGEMAKER_INFERENCE_COMPONENT_CONCURRENT_REQUESTS_PER_COPY_HIGH_RESOLUTION
            ),
            target_value=settings.target_concurrency_per_copy,
            scale_out_cooldown=cdk.Duration.seconds(settings.cooldowns.scale_out_seconds),
            scale_in_cooldown=cdk.Duration.seconds(settings.cooldowns.scale_in_seconds),
        )
        if settings.copies.min == 0:
            self._wake_from_zero()

    def _wake_from_zero(self) -> None:
        """At zero copies no request is in flight, so only failed requests can tell that one is wanted."""
        add_one = scaling.StepScalingAction(
            self,
            "Wake",
            scaling_target=self.target,
            adjustment_type=scaling.AdjustmentType.CHANGE_IN_CAPACITY,
            metric_aggregation_type=scaling.MetricAggregationType.MAXIMUM,
            cooldown=cdk.Duration.seconds(self._settings.cooldowns.wake_seconds),
        )
        add_one.add_adjustment(adjustment=1, lower_bound=0)
        alarm = self.metric_no_capacity().create_alarm(
            self,
            "NoCapacity",
            alarm_description="A request came while the model had no copy in service",
            threshold=1,
            evaluation_periods=1,
            datapoints_to_alarm=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
        )
        alarm.add_alarm_action(actions.ApplicationScalingAction(add_one))

    def metric_no_capacity(self) -> cloudwatch.Metric:
        """Requests that failed because no copy was in service."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name="NoCapacityInvocationFailures",
            dimensions_map={"InferenceComponentName": self._names.inference_component},
            statistic="Maximum",
            period=cdk.Duration.seconds(30),
        )
