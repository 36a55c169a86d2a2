"""Prices and bandwidths are there for what SageMaker hosts."""

from __future__ import annotations

from twin.catalog import Price, bandwidth, price
from twin.catalog.instances import _data
from twin.settings.accelerators import INSTANCE_TYPES


def test_prices_name_known_instance_types() -> None:
    priced = {*_data("prices")["published"], *_data("prices")["estimated"]}
    assert priced <= set(INSTANCE_TYPES)


def test_every_gpu_has_a_bandwidth() -> None:
    assert all(bandwidth(instance.gpu) > 1e11 for instance in INSTANCE_TYPES.values())


def test_a_price_says_whether_it_is_estimated() -> None:
    assert price("ml.g5.2xlarge") == Price(1.515, estimated=False)
    assert price("ml.g6e.2xlarge") == Price(2.80, estimated=True)
    assert price("ml.p5.48xlarge") is None
