"""The one error of bundling."""

from __future__ import annotations


class BundlingError(Exception):
    """A bundle could not be built; the message names the function, the step, and what it printed."""
