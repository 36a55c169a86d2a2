"""One log line and one set of metrics for each request."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

if TYPE_CHECKING:
    from prompting.errors import ApiError

    from orchestrator.environment import Environment

OK = "ok"
INTERNAL_ERROR = "internal_error"
CLIENT_DISCONNECTED = "client_disconnected"

_COUNTED = frozenset({"/v1/chat/completions", "/v1/responses"})


@dataclass(slots=True)
class Record:
    """What is known about one request; times in milliseconds. Content is not among it."""

    request_id: str
    method: str
    path: str
    started: float = field(default_factory=time.perf_counter)
    status: int = 500
    outcome: str = INTERNAL_ERROR
    streamed: bool = False
    background: bool = False
    grounded: bool = False
    sources: int = 0
    retrieval_ms: float | None = None
    ttft_ms: float | None = None
    total_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None

    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 2)

    def response_started(self, status: int) -> None:
        """Take the status; without a failure before, the request has gone well so far."""
        self.status = status
        if self.outcome == INTERNAL_ERROR:
            self.outcome = OK

    def fail(self, error: ApiError) -> None:
        """Take status, outcome and cause from the failure that ends the request."""
        self.status = error.status
        self.outcome = error.code or "error"
        self.note(error)

    def note(self, error: ApiError) -> None:
        """Keep the cause for the log; clients never see it."""
        cause = error.__cause__ or error
        self.error = f"{type(cause).__name__}: {cause}"

    def count_usage(self, usage: dict[str, Any] | None) -> None:
        """Take the token counts from a chat completion's `usage`."""
        if usage:
            self.prompt_tokens = usage.get("prompt_tokens")
            self.completion_tokens = usage.get("completion_tokens")


class Telemetry(Protocol):
    def request_ended(self, record: Record) -> None:
        """Log the request, and count it if it asked the model for an answer."""
        ...

    def content(self, request_id: str, **texts: str) -> None:
        """Log questions or answers, where the environment allows it."""
        ...


class PowertoolsTelemetry:
    """JSON lines on standard output: Lambda's log, where CloudWatch finds the embedded metrics."""

    def __init__(self, environment: Environment) -> None:
        self._logger = Logger(service=environment.powertools_service_name, level=environment.log_level)
        copy_config_to_registered_loggers(self._logger, include={"uvicorn"})
        self._log_content = environment.log_content
        self._namespace = environment.powertools_metrics_namespace
        self._service = environment.powertools_service_name
        self._environment = environment.twin_environment

    def request_ended(self, record: Record) -> None:
        fields = {name: value for name, value in asdict(record).items() if value is not None}
        del fields["started"]
        answered_without_sources = record.outcome == OK and record.error is not None
        warn = record.status >= 500 or answered_without_sources
        log = self._logger.warning if warn else self._logger.info
        if record.path != "/health":
            log("request", extra=fields)
        if record.path in _COUNTED:
            self._count(record)

    def content(self, request_id: str, **texts: str) -> None:
        if self._log_content:
            self._logger.info("content", extra={"request_id": request_id, **texts})

    def _count(self, record: Record) -> None:
        metrics = EphemeralMetrics(namespace=self._namespace, service=self._service)
        metrics.add_dimension("environment", self._environment)
        metrics.add_dimension("outcome", record.outcome)
        for name, unit, value in _accepted(record) if record.background else _answered(record):
            if value is not None:
                metrics.add_metric(name, unit, value)
        metrics.add_metadata("request_id", record.request_id)
        metrics.flush_metrics()


_Metric = tuple[str, MetricUnit, float | None]


def _answered(record: Record) -> tuple[_Metric, ...]:
    return (
        ("Requests", MetricUnit.Count, 1),
        ("TotalTime", MetricUnit.Milliseconds, record.total_ms),
        ("TimeToFirstToken", MetricUnit.Milliseconds, record.ttft_ms),
        ("RetrievalTime", MetricUnit.Milliseconds, record.retrieval_ms),
        ("PromptTokens", MetricUnit.Count, record.prompt_tokens),
        ("CompletionTokens", MetricUnit.Count, record.completion_tokens),
    )


def _accepted(record: Record) -> tuple[_Metric, ...]:
    """A background response takes no tokens yet, and its times are not those of answers."""
    return (
        ("BackgroundRequests", MetricUnit.Count, 1),
        ("AcceptTime", MetricUnit.Milliseconds, record.total_ms),
    )
