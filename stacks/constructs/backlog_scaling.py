"""How many instances serve the asynchronous endpoint."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from stacks.constructs.asynchronous_endpoint import AsynchronousEndpoint
from stacks.constructs.scaling_role import scaling_role
from stacks.naming import VARIANT, Names
from twin.settings.asynchronous import AsynchronousSettings

_MINUTE = cdk.Duration.minutes(1)


class BacklogScaling(Construct):
    """Target tracking on the backlog per instance, and leaving zero where zero instances are allowed."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        settings: AsynchronousSettings,
        endpoint: AsynchronousEndpoint,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._endpoint = settings, endpoint
        self.target = scaling.ScalableTarget(
            self,
            "Target",
            service_namespace=scaling.ServiceNamespace.SAGEMAKER,
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{names.async_endpoint}/variant/{VARIANT}",
            min_capacity=settings.instances.min,
            max_capacity=settings.instances.max,
            role=scaling_role(self),
        )
        # The resource id is a plain string, which tells CloudFormation nothing about the order.
        self.target.node.add_dependency(endpoint.endpoint)
        self.target.scale_to_track_metric(
            "Backlog",
            custom_metric=endpoint.metric("ApproximateBacklogSizePerInstance", period=_MINUTE),
            target_value=settings.target_backlog_per_instance,
            scale_out_cooldown=cdk.Duration.seconds(settings.cooldowns.scale_out_seconds),
            scale_in_cooldown=cdk.Duration.seconds(settings.cooldowns.scale_in_seconds),
        )
        if settings.instances.min == 0:
            self._leave_zero()

    def _leave_zero(self) -> None:
        """Without an instance there is no backlog per instance: one metric tells that there is a backlog."""
        add_one = scaling.StepScalingAction(
            self,
            "Wake",
            scaling_target=self.target,
            adjustment_type=scaling.AdjustmentType.CHANGE_IN_CAPACITY,
            metric_aggregation_type=scaling.MetricAggregationType.AVERAGE,
            cooldown=cdk.Duration.seconds(self._settings.cooldowns.wake_seconds),
        )
        add_one.add_adjustment(adjustment=1, lower_bound=0)
        alarm = self._endpoint.metric("HasBacklogWithoutCapacity", period=_MINUTE).create_alarm(
            self,
            "BacklogWithoutCapacity",
            alarm_description="Requests wait while the asynchronous endpoint has no instance",
            threshold=1,
            evaluation_periods=2,
            datapoints_to_alarm=2,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
        )
        alarm.add_alarm_action(actions.ApplicationScalingAction(add_one))
