"""Application Auto Scaling for SageMaker."""

from twin.local.services.autoscaling.app import create_app, service
from twin.local.services.autoscaling.capacity import SageMakerCapacity
from twin.local.services.autoscaling.state import AutoscalingState, Capacity

__all__ = ["AutoscalingState", "Capacity", "SageMakerCapacity", "create_app", "service"]
