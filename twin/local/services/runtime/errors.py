"""The error shapes of the SageMaker runtime."""

from __future__ import annotations

from twin.local.services.errors import ServiceError
from twin.local.services.identity import Identity

NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress "
    "(if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency "
    "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


def validation(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)


def throttling() -> ServiceError:
    return ServiceError("ThrottlingException", "Rate exceeded", 400)


def not_ready(message: str) -> ServiceError:
    return ServiceError("ModelNotReadyException", message, 429)


def service_unavailable() -> ServiceError:
    return ServiceError("ServiceUnavailable", "The service is currently unavailable", 503)


def internal_failure() -> ServiceError:
    return ServiceError("InternalFailure", "Internal failure", 500)


SERVICE_ERRORS = {
    "throttle": throttling,
    "service_unavailable": service_unavailable,
    "internal_failure": internal_failure,
}
"""Errors of the service itself, by the kind of fault that orders them."""


def model_error(identity: Identity, endpoint: str, status: int, message: str) -> ServiceError:
    """`ModelError` (424): the container answered with an error, or (status 0) not in time."""
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    side = "client" if 400 <= status < 500 else "server"
    return ServiceError(
        "ModelError",
        f'Received {side} error ({status}) from primary with message "{message}". '
        f"See the log group {group} in account {identity.account} for more information.",
        424,
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=identity.arn("logs", f"log-group:{group}"),
    )
