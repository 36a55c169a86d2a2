"""How fast an instance answers, from the memory that each token makes the GPU read.

A decoding step reads the weights once and the KV cache of every sequence:
    seconds per step = (weights + concurrency * context * KV bytes per token) / bandwidth.
Each step gives one token to each sequence. This is the roofline; `UTILIZATION` of it is planned with, the
safety factor that AWS's load-test guide starts with.
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.catalog import bandwidth
from twin.settings.accelerators import InstanceType, Quantization

UTILIZATION = 0.5
_BYTES_PER_PARAMETER: dict[Quantization, float] = {
    "none": 2.0,
    "fp8": 1.0,
    "awq": 0.69,
    "gptq": 0.69,
    "bitsandbytes": 0.69,
}
"""Four-bit methods keep scales and some layers in 16 bits: 5.5 GB for Llama-3.1-8B."""

_KV_BYTES_PER_TOKEN_PER_BILLION = 131_072 / 8.03
"""Llama-3.1-8B: 2 * 32 layers * 8 KV heads * 128 * 2 bytes; larger models of the family scale below this."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """One instance at one concurrency."""

    seconds_per_request: float
    requests_per_second: float


def throughput(
    instance: InstanceType,
    *,
    billion_parameters: float,
    quantization: Quantization,
    concurrency: int,
    input_tokens: int,
    output_tokens: int,
    gpus: int = 1,
) -> Throughput:
    """What one instance of `gpus` GPUs used gives to `concurrency` requests at once."""
    weights = billion_parameters * 1e9 * _BYTES_PER_PARAMETER[quantization]
    context = input_tokens + output_tokens / 2
    cache = concurrency * context * billion_parameters * _KV_BYTES_PER_TOKEN_PER_BILLION
    step = (weights + cache) / (bandwidth(instance.gpu) * gpus * UTILIZATION)
    seconds = output_tokens * step
    return Throughput(seconds, concurrency / seconds)
