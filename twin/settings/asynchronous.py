"""The asynchronous endpoint: instances that follow a backlog, and how long a request may wait."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from twin.settings.accelerators import INSTANCE_TYPES, InstanceType
from twin.settings.base import Section, refuse, setting
from twin.settings.hosting import HostingType, StartTimeouts, refuse_repeated


class Instances(Section):
    """Bounds of the number of instances in service."""

    min: int = setting("Fewest instances; 0 releases all of them when idle.", unit="instances", ge=0, le=100)
    max: int = setting("Most instances.", unit="instances", ge=1, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            refuse("min", self.min, f"at most max, which is {self.max}")
        return self

    @property
    def initial(self) -> int:
        """Instances that a deploy starts with: at least one, so that a model that cannot load fails it."""
        return max(self.min, 1)


class BacklogCooldowns(Section):
    """How long each scaling decision stands before the next in the same direction."""

    scale_out_seconds: int = setting(
        "After adding instances. If shorter than a cold start, more are added while the first ones load.",
        unit="seconds",
        default=600,
        ge=0,
        le=3600,
    )
    scale_in_seconds: int = setting("After removing instances.", unit="seconds", default=600, ge=0, le=3600)
    wake_seconds: int = setting(
        "After waking from zero. If shorter than a cold start, more are added while the first one loads.",
        unit="seconds",
        default=900,
        ge=60,
        le=3600,
    )


class Rollout(Section):
    """How a new model or configuration takes over: a canary first, the rest after a time without alarms."""

    canary_percent: int = setting(
        "Share of the capacity that changes first.", unit="percent", default=50, ge=10, le=50
    )
    bake_seconds: int = setting(
        "How long the canary runs, watched by the alarms, before the rest follows.",
        unit="seconds",
        default=600,
        ge=0,
        le=3600,
    )


class AsynchronousSettings(Section):
    """The asynchronous endpoint."""

    instance_types: tuple[HostingType, ...] = setting(
        "GPU instance types in order of preference; later ones are fallbacks for missing capacity.",
        unit="SageMaker instance types",
        min_length=1,
        max_length=5,
    )
    accelerators_per_instance: int = setting(
        "GPUs of an instance that the model spans (tensor parallelism).", unit="GPUs", default=1, ge=1, le=8
    )
    instances: Instances = setting("Bounds of the number of instances.", unit="section")
    target_backlog_per_instance: int = setting(
        "Requests waiting or in work per instance that scaling holds the endpoint at.",
        unit="requests",
        ge=1,
        le=10_000,
    )
    max_concurrent_invocations_per_instance: int = setting(
        "Requests that an instance works on at once.", unit="requests", ge=1, le=1000
    )
    cooldowns: BacklogCooldowns = setting(
        "Pauses between scaling decisions.", unit="section", default=BacklogCooldowns()
    )
    request_ttl_seconds: int = setting(
        "How long a request may wait for an instance before it expires.",
        unit="seconds",
        default=21_600,
        ge=60,
        le=21_600,
    )
    invocation_timeout_seconds: int = setting(
        "How long the model may take over one request.", unit="seconds", default=900, ge=1, le=3600
    )
    data_capture_percent: int = setting(
        "Share of the requests and answers that is kept for analysis, as long as other jobs' objects. "
        "They may hold personal data.",
        unit="percent",
        default=0,
        ge=0,
        le=100,
    )
    rollout: Rollout = setting("How changes of the model go live.", unit="section", default=Rollout())
    start_timeouts: StartTimeouts = setting(
        "Limits on the parts of a start.", unit="section", default=StartTimeouts()
    )

    @property
    def hosts(self) -> tuple[InstanceType, ...]:
        """The hosting types with their GPUs, in order of preference."""
        return tuple(INSTANCE_TYPES[name] for name in self.instance_types)

    @model_validator(mode="after")
    def _no_duplicates(self) -> Self:
        refuse_repeated(self.instance_types)
        return self

    @model_validator(mode="after")
    def _model_fits_each_instance(self) -> Self:
        needed = self.accelerators_per_instance
        for index, host in enumerate(self.hosts):
            if host.gpus < needed:
                refuse(
                    f"instance_types.{index}",
                    host.name,
                    f"a type with at least {needed} GPUs (accelerators_per_instance); "
                    f"this one has {host.gpus}",
                )
        return self
