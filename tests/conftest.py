"""What all tests share: how they are spread over processes."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a folder in one process, since its session fixtures are what takes long.

    A module that names a group of its own keeps it.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            folder = item.path.relative_to(TESTS).parts[0]
            item.add_marker(pytest.mark.xdist_group(folder))
