from __future__ import annotations

import pytest

from tests.batch.world import World
from tests.retrieval.built_encoder import encoder, layer

__all__ = ["encoder", "layer"]


@pytest.fixture
def world() -> World:
    return World()
