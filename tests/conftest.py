"""What all tests share: how they are spread over processes, and how laws look for counterexamples."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A commit passes or fails, whenever it is tested. `--hypothesis-profile=explore` looks further.
settings.register_profile("repeatable", derandomize=True, database=None)
settings.register_profile("explore", derandomize=False)
settings.load_profile("repeatable")

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a folder in one process, since its session fixtures are what takes long.

    A module that names a group of its own keeps it.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            folder = item.path.relative_to(TESTS).parts[0]
            item.add_marker(pytest.mark.xdist_group(folder))
