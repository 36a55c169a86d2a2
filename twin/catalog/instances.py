"""Reads the data files beside it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Price:
    """USD an hour in us-east-1; `estimated` where it is derived from the EC2 price."""

    usd_per_hour: float
    estimated: bool


@cache
def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def price(instance_type: str) -> Price | None:
    """The price of a SageMaker instance type, or None where none is known."""
    data = _data("prices")
    for kind in ("published", "estimated"):
        if instance_type in data[kind]:
            return Price(float(data[kind][instance_type]), kind == "estimated")
    return None


def bandwidth(gpu: str) -> float:
    """Memory bandwidth of one GPU in bytes a second. Raises KeyError for an unknown GPU."""
    return float(_data("gpus")["bandwidth"][gpu]) * 1e9
