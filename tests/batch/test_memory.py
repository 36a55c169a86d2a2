"""Memory does not grow with the file: 10,000 lines take as much as 2,000."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch import s3
from jobtable import keys

from tests.batch.fakes import FolderObjects
from tests.batch.world import BATCH, INPUT, OWNER, World, completion, question

FEW, MANY = 2_000, 10_000


def prepared(folder: Path, lines: int) -> World:
    """A batch whose file is on the disk; every tenth line is refused."""
    folder.mkdir()
    world = World(objects=FolderObjects(folder))
    world.limits = replace(world.limits, lines_per_shard=250)
    world.create(b"")
    with world.objects.path(keys.file(OWNER, INPUT)).open("wb") as file:
        for number in range(lines):
            line = question(str(number), "Why? " * 60, stream=number % 10 == 0)
            file.write(json.dumps(line).encode() + b"\n")
    return world


def peak(step: Callable[[], Any]) -> int:
    """The most memory that the step has at once, in bytes."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
