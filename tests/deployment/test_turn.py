"""One `make up` at a time."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from twin.deployment.turn import BusyError, turn

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_one_is_refused_with_the_process_that_is_at_it(tmp_path: Path) -> None:
    with turn(tmp_path), pytest.raises(BusyError) as refused, turn(tmp_path):
        pass
    assert str(refused.value) == (
        f"another `make up` works on {tmp_path} (process {os.getpid()}). Wait until it is done, or end it"
    )


def test_it_can_be_taken_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyError), turn(tmp_path):
        raise KeyError
    with turn(tmp_path):
        pass


def test_the_state_directory_is_the_owner_s_alone(tmp_path: Path) -> None:
    """API keys lie in it."""
    with turn(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
