"""The realtime endpoint: instances, copies, and when to change their number."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from twin.settings.accelerators import INSTANCE_TYPES, InstanceType
from twin.settings.base import Section, refuse, setting
from twin.settings.hosting import HostingType, StartTimeouts, refuse_repeated


class Copies(Section):
    """Bounds of the number of model copies in service."""

    min: int = setting("Fewest copies; 0 releases every instance when idle.", unit="copies", ge=0, le=100)
    max: int = setting("Most copies.", unit="copies", ge=1, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            refuse("min", self.min, f"at most max, which is {self.max}")
        return self

    @property
    def initial(self) -> int:
        """Copies that a deploy starts with: at least one, so that a model that cannot load fails it."""
        return max(self.min, 1)


class Cooldowns(Section):
    """How long each scaling decision stands before the next in the same direction."""

    scale_out_seconds: int = setting("After adding copies.", unit="seconds", ge=0, le=3600)
    scale_in_seconds: int = setting("After removing copies.", unit="seconds", ge=0, le=3600)
    wake_seconds: int = setting(
        "After waking from zero. If shorter than a cold start, copies are added while the first one loads.",
        unit="seconds",
        default=600,
        ge=60,
        le=3600,
    )


class InstanceRelease(Section):
    """How idle instances are given back."""

    cooldown_minutes: int = setting("Between two releases.", unit="minutes", default=20, ge=5, le=1440)
    maximum_step_size: int = setting(
        "Most instances released at once.", unit="instances", default=1, ge=1, le=100
    )


class RealtimeSettings(Section):
    """The realtime endpoint."""

    instance_types: tuple[HostingType, ...] = setting(
        "GPU instance types in order of preference; later ones are fallbacks for missing capacity.",
        unit="SageMaker instance types",
        min_length=1,
        max_length=5,
    )
    accelerators_per_copy: int = setting(
        "GPUs that one copy spans (tensor parallelism).", unit="GPUs", default=1, ge=1, le=8
    )
    memory_mib_per_copy: int = setting(
        "Host memory reserved for one copy.", unit="MiB", default=16_384, ge=1024, le=2_000_000
    )
    copies: Copies = setting("Bounds of the number of copies.", unit="section")
    target_concurrency_per_copy: int = setting(
        "Requests in flight per copy that scaling holds the endpoint at.",
        unit="requests",
        ge=1,
        le=1024,
    )
    cooldowns: Cooldowns = setting("Pauses between scaling decisions.", unit="section")
    instance_release: InstanceRelease = setting(
        "Giving back idle instances.", unit="section", default=InstanceRelease()
    )
    start_timeouts: StartTimeouts = setting(
        "Limits on the parts of a start.", unit="section", default=StartTimeouts()
    )

    @property
    def instances(self) -> tuple[InstanceType, ...]:
        """The hosting types with their GPUs, in order of preference."""
        return tuple(INSTANCE_TYPES[name] for name in self.instance_types)

    @property
    def min_instances(self) -> int:
        """Instances that the fewest copies need."""
        return self._instances_for(self.copies.min)

    @property
    def initial_instances(self) -> int:
        """Instances that the initial copies need."""
        return self._instances_for(self.copies.initial)

    @property
    def max_instances(self) -> int:
        """Instances that the most copies need."""
        return self._instances_for(self.copies.max)

    def _instances_for(self, copies: int) -> int:
        """Enough on the type that holds the fewest copies."""
        return -(-copies // min(self.copies_on(instance) for instance in self.instances))

    def copies_on(self, instance: InstanceType) -> int:
        """As many copies as an instance's GPUs hold, and its memory with something left for the host."""
        return min(
            instance.gpus // self.accelerators_per_copy,
            (instance.memory_gib * 1024 - 1) // self.memory_mib_per_copy,
        )

    @model_validator(mode="after")
    def _no_duplicates(self) -> Self:
        refuse_repeated(self.instance_types)
        return self

    @model_validator(mode="after")
    def _copy_fits_each_instance(self) -> Self:
        for index, instance in enumerate(self.instances):
            if instance.gpus < self.accelerators_per_copy:
                refuse(
                    f"instance_types.{index}",
                    instance.name,
                    f"a type with at least {self.accelerators_per_copy} GPUs (accelerators_per_copy); "
                    f"this one has {instance.gpus}",
                )
            if instance.memory_gib * 1024 <= self.memory_mib_per_copy:
                refuse(
                    "memory_mib_per_copy",
                    self.memory_mib_per_copy,
                    f"less than the {instance.memory_gib * 1024} MiB of {instance.name}",
                )
        return self
