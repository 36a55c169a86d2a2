"""The SageMaker control plane."""

from twin.local.services.sagemaker.app import create_app, service
from twin.local.services.sagemaker.lifecycle import Delays
from twin.local.services.sagemaker.state import AnyRole, Roles, SageMakerState

__all__ = ["AnyRole", "Delays", "Roles", "SageMakerState", "create_app", "service"]
