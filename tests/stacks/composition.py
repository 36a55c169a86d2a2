"""An environment with other settings, put together anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Template

Compose = Callable[[Synthesis, Mapping[str, object]], Mapping[str, Template]]
"""The templates, by noun, of an environment with some of its sections changed."""
