"""Operations that are not implemented here, answered by moto.

moto is imported on first use: 50 MB for SageMaker, 150 MB for Application Auto Scaling. What it is told
lives in memory only.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from twin.local.services import wire
from twin.local.services.errors import ServiceError
from twin.local.services.identity import Identity

_RESPONSES = {
    "sagemaker": ("moto.sagemaker.responses", "SageMakerResponse", "api.sagemaker"),
    "application-autoscaling": (
        "moto.applicationautoscaling.responses",
        "ApplicationAutoScalingResponse",
        "application-autoscaling",
    ),
}


class MotoFallback:
    """Callable that hands a JSON 1.1 request to moto's implementation of `service`."""

    def __init__(self, service: str, identity: Identity) -> None:
        self._service = service
        self._identity = identity
        self._response_class: Any = None

    def __call__(
        self, scope: wire.Scope, operation: str, body: bytes
    ) -> tuple[int, Mapping[str, str], bytes] | None:
        module, name, host = _RESPONSES[self._service]
        if self._response_class is None:
            self._response_class = getattr(import_module(module), name)
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        url = f"https://{host}.{self._identity.region}.amazonaws.com/"
        headers |= {"host": url.split("/")[2], "x-moto-account-id": self._identity.account}
        request = import_module("moto.core.request").Request.from_primitives("POST", url, headers, body)
        try:
            status, answered, content = self._response_class.dispatch(request)
        except NotImplementedError:
            message = f"The local cloud does not implement {self._service} {operation}"
            raise ServiceError("UnknownOperationException", message) from None
        kept = {str(key): str(value) for key, value in answered.items() if key.lower() not in _DROPPED}
        return int(status), kept, content.encode() if isinstance(content, str) else content


_DROPPED = ("content-length", "date", "server", "status")
