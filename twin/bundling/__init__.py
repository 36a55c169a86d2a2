"""Builds what the functions run, without Docker: `ensure(root, Target.aws())` gives each one's folder."""

from __future__ import annotations

from twin.bundling.bundles import Built, ensure
from twin.bundling.errors import BundlingError
from twin.bundling.targets import Target

__all__ = ["Built", "BundlingError", "Target", "ensure"]
