"""What is counted. Each metric is a line of its own, since dimensions hold for a whole line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit, single_metric

if TYPE_CHECKING:
    from jobtable.records import Record


class Telemetry:
    """Counts for one environment, which is a dimension of each metric."""

    def __init__(self, environment: str) -> None:
        self._environment = environment

    def job_settled(self, record: Record, now: float) -> None:
        """`JobsSettled` by kind and status, and `JobAgeSeconds` by kind, of a job that has just ended."""
        kind = "batch" if record["id"].startswith("batch_") else "response"
        self._emit("JobsSettled", MetricUnit.Count, 1, kind=kind, status=record["status"])
        self._emit("JobAgeSeconds", MetricUnit.Seconds, max(0.0, now - record["created_at"]), kind=kind)

    def count(self, name: str, value: int = 1) -> None:
        """A count without further dimensions."""
        self._emit(name, MetricUnit.Count, value)

    def _emit(self, name: str, unit: MetricUnit, value: float, **dimensions: str) -> None:
        with single_metric(name=name, unit=unit, value=value) as metric:
            for dimension, held in {"environment": self._environment, **dimensions}.items():
                metric.add_dimension(dimension, held)
