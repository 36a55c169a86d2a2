"""X-Ray subsegments for the stages of a request, through Powertools' tracer.

The web adapter runs this process beside Lambda's own, so the invocation's trace comes with each request,
in `x-amzn-lambda-context`, instead of in the environment. Concurrent requests keep their own traces:
the SDK's storage is replaced by one in context variables.
"""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

_ENTITIES: ContextVar[dict[str, Any] | None] = ContextVar("x-ray entities", default=None)


class Tracing(Protocol):
    def load(self) -> None:
        """Prepare; may take long, so it is meant for a thread beside the event loop."""
        ...

    def start(self, headers: Mapping[str, str]) -> None:
        """Continue the trace that the request's headers name."""
        ...

    def stage(self, name: str) -> AbstractContextManager[Any]:
        """Time the enclosed work as a subsegment."""
        ...


class NoTracing:
    """Where no trace is collected."""

    def load(self) -> None:
        pass

    def start(self, headers: Mapping[str, str]) -> None:
        pass

    def stage(self, name: str) -> AbstractContextManager[Any]:
        return nullcontext()


class XRayTracing:
    """Until `load` has imported the SDK, which takes 0.4 s and more, nothing is traced."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._recorder: Any = None
        self._models: Any = None

    def load(self) -> None:
        powertools = import_module("aws_lambda_powertools")
        context = import_module("aws_xray_sdk.core.context").Context(context_missing="IGNORE_ERROR")
        context._local = _RequestLocal()
        self._models = import_module("aws_xray_sdk.core.models")
        for module in ("facade_segment", "trace_header"):
            import_module(f"aws_xray_sdk.core.models.{module}")
        recorder = powertools.Tracer(service=self._service, auto_patch=False).provider
        recorder.configure(context=context, streaming_threshold=0, sampling=False)
        self._recorder = recorder

    def start(self, headers: Mapping[str, str]) -> None:
        if self._recorder is None:
            return
        _ENTITIES.set({})
        trace = self._models.trace_header.TraceHeader.from_header_str(trace_header(headers))
        if trace.root and trace.parent and trace.sampled == 1:
            segment = self._models.facade_segment.FacadeSegment(
                "facade", entityid=trace.parent, traceid=trace.root, sampled=True
            )
            self._recorder.set_trace_entity(segment)

    def stage(self, name: str) -> AbstractContextManager[Any]:
        if self._recorder is None or not (_ENTITIES.get() or {}).get("entities"):
            return nullcontext()
        subsegment: AbstractContextManager[Any] = self._recorder.in_subsegment(name)
        return subsegment


class _RequestLocal:
    """Attributes that belong to the current request and the tasks it started."""

    def __getattr__(self, name: str) -> Any:
        try:
            return (_ENTITIES.get() or {})[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        _ENTITIES.set({**(_ENTITIES.get() or {}), name: value})


def trace_header(headers: Mapping[str, str]) -> str | None:
    """The invocation's trace header (`Root=…;Parent=…;Sampled=1`) as the web adapter passes it on."""
    try:
        header = json.loads(headers["x-amzn-lambda-context"]).get("xray_trace_id")
    except (KeyError, ValueError, AttributeError):
        return None
    return header if isinstance(header, str) else None


def tracing(service: str, variables: Mapping[str, str] = os.environ) -> Tracing:
    """Tracing where Lambda runs an X-Ray daemon and names it."""
    return XRayTracing(service) if variables.get("AWS_XRAY_DAEMON_ADDRESS") else NoTracing()
