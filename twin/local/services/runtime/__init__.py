"""The SageMaker runtime: InvokeEndpoint and InvokeEndpointWithResponseStream."""

from twin.local.services.runtime.app import create_app
from twin.local.services.runtime.state import RuntimeOptions, RuntimeState

__all__ = ["RuntimeOptions", "RuntimeState", "create_app"]
