"""The handlers' modules, on stores in memory."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType

import pytest

from tests.jobs.simulation import Simulation
from tests.redelivery.fakes import FakeDeliveries


@pytest.fixture
def world() -> Simulation:
    return Simulation()


Load = Callable[[str, Mapping[str, str]], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, world: Simulation, capsys: pytest.CaptureFixture[str]) -> Load:
    """Load a handler's module, on stores in memory and the simulation's clock, logging to `capsys`."""

    def loaded(name: str, environment: Mapping[str, str]) -> ModuleType:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        module = importlib.reload(importlib.import_module(name))
        monkeypatch.setattr(module.time, "time", world.clock)
        return module

    return loaded


@pytest.fixture
def deliveries() -> FakeDeliveries:
    return FakeDeliveries()
