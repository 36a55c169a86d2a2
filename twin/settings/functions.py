"""The Lambda functions."""

from __future__ import annotations

from typing import Literal

from twin.settings.base import Section, setting

LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]


class FunctionSettings(Section):
    """Size of the functions. A Lambda function gets one vCPU per 1,769 MiB."""

    orchestrator_memory_mib: int = setting(
        "Memory of the orchestrator.", unit="MiB", default=1769, ge=512, le=10_240
    )
    ingestion_memory_mib: int = setting(
        "Memory of the ingestion function.", unit="MiB", default=3538, ge=512, le=10_240
    )
    ingestion_timeout_seconds: int = setting(
        "Longest time for a batch of corpus objects.", unit="seconds", default=900, ge=30, le=900
    )
    ingestion_concurrency: int = setting(
        "Batches of corpus objects in work at once.", unit="executions", default=4, ge=2, le=1000
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting(
        "Least severity that is logged.", unit="level", default="INFO"
    )


class LogSettings(Section):
    """Retention of every log group."""

    retention_days: LogRetentionDays = setting("How long logs are kept.", unit="days")
