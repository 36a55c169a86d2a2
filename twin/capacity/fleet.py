"""What an environment runs each deployment type on."""

from __future__ import annotations

from dataclasses import dataclass

from twin.capacity.throughput import Throughput, throughput
from twin.capacity.workload import Workload
from twin.settings import Environment
from twin.settings.accelerators import INSTANCE_TYPES, InstanceType, Quantization
from twin.settings.batch import TRANSFORM_INSTANCE_TYPES

_BATCH_FALLBACK = "ml.g6e.xlarge"
"""Assessed for batch where the environment has no batch and its realtime type runs none."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Instances of one deployment type.

    Each holds `copies` of the model; a copy answers `concurrency` requests at once on `gpus` GPUs.
    """

    instance: InstanceType
    concurrency: int
    gpus: int = 1
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Platform:
    """The infrastructure criterion: the model's size, number format and context, and a fleet for each type.

    A prompt and its answer take at most `max_model_len` tokens, the answer `max_output_tokens` of them; the
    API gives up on a realtime answer after `model_timeout_seconds`.
    """

    billion_parameters: float
    quantization: Quantization
    max_model_len: int
    max_output_tokens: int
    model_timeout_seconds: int
    realtime: Fleet
    asynchronous: Fleet
    batch: Fleet

    @classmethod
    def of(cls, environment: Environment, billion_parameters: float) -> Platform:
        """The environment's fleets; a type that it lacks is assessed on the realtime endpoint's instances."""
        realtime, asynchronous, batch = environment.realtime, environment.asynchronous, environment.batch
        first = realtime.instances[0]
        usual = Fleet(
            first,
            realtime.target_concurrency_per_copy,
            realtime.accelerators_per_copy,
            realtime.copies_on(first),
        )
        most = Fleet(first, environment.model.max_num_seqs, realtime.accelerators_per_copy)
        return cls(
            billion_parameters,
            environment.model.quantization,
            environment.model.max_model_len,
            environment.api.max_output_tokens,
            environment.api.model_timeout_seconds,
            realtime=usual,
            asynchronous=most
            if asynchronous is None
            else Fleet(
                asynchronous.hosts[0],
                asynchronous.max_concurrent_invocations_per_instance,
                asynchronous.accelerators_per_instance,
            ),
            batch=_on_transform_type(most)
            if batch is None
            else Fleet(batch.instance, batch.concurrent_requests_per_instance, batch.instance.gpus),
        )

    def throughput(self, fleet: Fleet, workload: Workload) -> Throughput:
        """What one of the fleet's copies does for this workload."""
        return throughput(
            fleet.instance,
            billion_parameters=self.billion_parameters,
            quantization=self.quantization,
            concurrency=fleet.concurrency,
            input_tokens=workload.input_tokens,
            output_tokens=workload.output_tokens,
            gpus=fleet.gpus,
        )


def _on_transform_type(fleet: Fleet) -> Fleet:
    """The fleet on instances that batch transform has."""
    known = fleet.instance.name in TRANSFORM_INSTANCE_TYPES
    instance = fleet.instance if known else INSTANCE_TYPES[_BATCH_FALLBACK]
    return Fleet(instance, fleet.concurrency, instance.gpus)
