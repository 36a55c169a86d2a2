"""GPU instance types that SageMaker hosts endpoints on, and what their GPUs can compute.

Source: SageMaker's `ProductionVariantInstanceType` and the EC2 instance type pages, read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Architecture = Literal["turing", "ampere", "ada", "hopper", "blackwell"]
Quantization = Literal["none", "fp8", "awq", "gptq", "bitsandbytes"]
DataType = Literal["auto", "bfloat16", "float16"]

FP8_ARCHITECTURES: frozenset[Architecture] = frozenset({"ada", "hopper", "blackwell"})
"""GPUs with FP8 tensor cores, which W8A8 needs."""

BFLOAT16_ARCHITECTURES: frozenset[Architecture] = frozenset({"ampere", "ada", "hopper", "blackwell"})


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One hosting type: its GPUs, and the host's memory in GiB."""

    name: str
    gpu: str
    architecture: Architecture
    gpus: int
    memory_gib: int


@dataclass(frozen=True, slots=True)
class _Family:
    gpu: str
    architecture: Architecture
    sizes: Mapping[str, tuple[int, int]]
    """Size to (GPUs, host memory in GiB)."""


_SINGLE_AND_QUAD = {
    "xlarge": (1, 16),
    "2xlarge": (1, 32),
    "4xlarge": (1, 64),
    "8xlarge": (1, 128),
    "12xlarge": (4, 192),
    "16xlarge": (1, 256),
    "24xlarge": (4, 384),
    "48xlarge": (8, 768),
}
_G4DN = {size: _SINGLE_AND_QUAD[size] for size in list(_SINGLE_AND_QUAD)[:6]}
_DOUBLE_MEMORY = {size: (gpus, 2 * memory) for size, (gpus, memory) in _SINGLE_AND_QUAD.items()}

_FAMILIES = {
    "g4dn": _Family("T4", "turing", _G4DN),
    "g5": _Family("A10G", "ampere", _SINGLE_AND_QUAD),
    "g6": _Family("L4", "ada", _SINGLE_AND_QUAD),
    "g6e": _Family("L40S", "ada", _DOUBLE_MEMORY),
    "g7e": _Family("RTX PRO 6000", "blackwell", {"2xlarge": (1, 64)}),
    "p4d": _Family("A100 40 GB", "ampere", {"24xlarge": (8, 1152)}),
    "p4de": _Family("A100 80 GB", "ampere", {"24xlarge": (8, 1152)}),
    "p5": _Family("H100", "hopper", {"4xlarge": (1, 256), "48xlarge": (8, 2048)}),
    "p5e": _Family("H200", "hopper", {"48xlarge": (8, 2048)}),
    "p5en": _Family("H200", "hopper", {"48xlarge": (8, 2048)}),
    "p6-b200": _Family("B200", "blackwell", {"48xlarge": (8, 2048)}),
}

INSTANCE_TYPES: Mapping[str, InstanceType] = MappingProxyType(
    {
        f"ml.{name}.{size}": InstanceType(
            f"ml.{name}.{size}", family.gpu, family.architecture, gpus, memory_gib
        )
        for name, family in _FAMILIES.items()
        for size, (gpus, memory_gib) in family.sizes.items()
    }
)


def runs_quantization(instance: InstanceType, quantization: Quantization) -> bool:
    """Whether vLLM has kernels for it on this GPU; AWQ, GPTQ and bitsandbytes run from Turing on."""
    return quantization != "fp8" or instance.architecture in FP8_ARCHITECTURES


def runs_dtype(instance: InstanceType, dtype: DataType) -> bool:
    """Whether the GPU computes in `dtype`; `auto` takes the checkpoint's, bfloat16 for today's models."""
    return dtype == "float16" or instance.architecture in BFLOAT16_ARCHITECTURES
