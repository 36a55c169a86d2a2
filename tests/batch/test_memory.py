"""Memory does not grow with the file: 10,000 lines take as much as 2,000."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch.lines import encode
from jobtable import keys

from tests.batch.fakes import FolderObjects
from tests.batch.world import BATCH, INPUT, OWNER, World, question

FEW, MANY = 2_000, 10_000
SHARD = 250

DIGEST_BYTES = 128
"""What a digest of 16 bytes takes in a set; at most 6 MB for the 50,000 lines that a batch can have."""


def stored(folder: Path) -> World:
    """A world whose objects are on the disk, with the record of a batch."""
    folder.mkdir()
    world = World(objects=FolderObjects(folder))
    world.limits = replace(world.limits, lines_per_shard=SHARD)
    world.create(b"")
    return world


def before_validation(folder: Path, lines: int) -> World:
    """A batch whose every tenth line is refused."""
    world = stored(folder)
    with world.objects.writer(keys.file(OWNER, INPUT)) as file:
        for number in range(lines):
            line = question(str(number), "Why? " * 10, stream=number % 10 == 0)
            file.write(json.dumps(line).encode() + b"\n")
    return world


def before_join(folder: Path, lines: int) -> World:
    """A batch whose every tenth line was refused, and whose others were answered."""
    world = stored(folder)
    shards = range(lines // SHARD)
    world.batch.update({"status": "in_progress", "shards": len(shards)})
    about = {"citations": ["d"], "search_results": [{"text": "T" * 500}], "grounded": True}
    answer = {"id": "1", "object": "chat.completion", "choices": [{"text": "A" * 500}]}
    for shard in shards:
        numbers = [shard * SHARD + number for number in range(SHARD) if number % 10]
        with world.objects.writer(keys.context(BATCH, shard)) as context:
            for number in numbers:
                context.write(encode({"line": number, "custom_id": str(number), "about": about}))
        name = keys.transform_shard(BATCH, shard).rsplit("/", 1)[1]
        with world.objects.writer(f"{keys.transform_output(BATCH)}{name}.out") as output:
            for number in numbers:
                output.write(encode({"line": number, "SageMakerOutput": answer}))
    with world.objects.writer(keys.rejected(BATCH)) as rejected:
        for number in range(0, lines, 10):
            rejected.write(encode({"line": number, "custom_id": None, "code": "c", "message": "m"}))
    return world


def peak(step: Callable[[], Any]) -> int:
    """The most memory that the step has at once, in bytes."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_joining_takes_no_more_memory_for_more_lines(tmp_path: Path) -> None:
    few, many = before_join(tmp_path / "few", FEW), before_join(tmp_path / "many", MANY)
    before_join(tmp_path / "warm", SHARD).join()
    assert peak(many.join) <= 1.5 * peak(few.join)
    assert (len(many.file("output")), len(many.file("error"))) == (MANY * 9 // 10, MANY // 10)


def test_validating_keeps_a_digest_of_each_line_and_no_more(tmp_path: Path) -> None:
    few, many = (
        before_validation(tmp_path / "few", FEW),
        before_validation(tmp_path / "many", MANY),
    )
    before_validation(tmp_path / "warm", 10).validate()
    growth = peak(many.validate) - peak(few.validate)
    assert growth <= DIGEST_BYTES * (MANY - FEW)
    assert many.batch["request_counts"]["total"] == MANY
