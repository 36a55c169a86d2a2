"""What is counted of batches, as metrics embedded in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

if TYPE_CHECKING:
    from jobtable.records import Record

    from batch.environment import StepsEnvironment


def count_ended(environment: StepsEnvironment, record: Record) -> None:
    """Count the batch by its final status, and its lines by their result."""
    _count(environment, "BatchesEnded", 1, "status", record["status"])
    counts = record.get("request_counts") or {}
    for result in ("completed", "failed"):
        _count(environment, "BatchLines", counts.get(result, 0), "result", result)


def _count(environment: StepsEnvironment, name: str, value: int, dimension: str, of: str) -> None:
    metrics = EphemeralMetrics(
        namespace=environment.powertools_metrics_namespace, service=environment.powertools_service_name
    )
    metrics.add_dimension("environment", environment.twin_environment)
    metrics.add_dimension(dimension, of)
    metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
