"""Environment files as frozen, validated values: `load(Path("environments/prod.yaml"))`."""

from __future__ import annotations

from twin.settings.environment import Environment
from twin.settings.errors import SettingsError
from twin.settings.loading import load

__all__ = ["Environment", "SettingsError", "load"]
