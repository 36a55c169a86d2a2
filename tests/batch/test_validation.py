"""The first step: shards, rejected lines, and files that cannot be a batch."""

from __future__ import annotations

import codecs
import json
from dataclasses import replace
from typing import Any

import pytest
from batch import validation
from batch.stores import ObjectChangedError
from batch.validation import Limits, Validated
from hypothesis import given
from hypothesis import strategies as st
from jobtable import keys

from tests.batch.test_requests import EXAMPLE
from tests.batch.world import BATCH, INPUT, OWNER, World, file, question


def shards(world: World, number: int) -> list[list[int]]:
    return [[line["line"] for line in world.lines(keys.lines(BATCH, shard))] for shard in range(number)]


def test_lines_become_shards_and_rejected_lines_with_their_numbers(world: World) -> None:
    world.create(file(question("a"), "", question("b"), "nonsense", question("c"), question("b")))
    assert world.validate() == Validated(valid=True, shards=2, total=5)
    assert shards(world, 2) == [[1, 3], [5]]
    assert [(line["line"], line["code"]) for line in world.lines(keys.rejected(BATCH))] == [
        (4, "invalid_json_line"),
        (6, "duplicate_custom_id"),
    ]
    assert world.batch["status"] == "in_progress"
    assert world.batch["in_progress_at"] == 1_000
    assert world.batch["request_counts"] == {"total": 5, "completed": 0, "failed": 0}


def test_every_instance_gets_a_shard(world: World) -> None:
    world.create(file(*(question(str(number)) for number in range(5))))
    world.limits = replace(world.limits, lines_per_shard=100, instances=4)
    assert world.validate().shards == 4
    assert shards(world, 4) == [[1, 2], [3], [4], [5]]


def test_rejected_lines_do_not_unbalance_the_shards(world: World) -> None:
    """Of ten lines six are accepted: each instance has some of them."""
    lines = [question(str(number), model="gpt" if number % 5 < 2 else "twin") for number in range(10)]
    world.create(file(*lines))
    world.limits = replace(world.limits, lines_per_shard=5, instances=2)
    assert world.validate() == Validated(valid=True, shards=2, total=10)
    assert shards(world, 2) == [[3, 4, 5], [8, 9, 10]]


def test_a_shard_of_nothing_but_rejected_lines_is_none(world: World) -> None:
    world.create(file(*(question(str(number), model="twin" if number > 5 else "gpt") for number in range(8))))
    assert world.validate() == Validated(valid=True, shards=1, total=8)
    assert shards(world, 1) == [[7, 8]]


@given(st.integers(1, 60_000), st.integers(1, 2000), st.integers(1, 100))
def test_shards_are_small_enough_and_keep_all_instances_busy(
    lines: int, lines_per_shard: int, instances: int
) -> None:
    number = Limits("twin", 60_000, lines_per_shard, instances).shards(lines)
    assert -(-lines // number) <= lines_per_shard
    assert number >= min(lines, instances)
    assert number == lines or number % instances == 0
    assert number <= lines / lines_per_shard + instances


def test_without_accepted_lines_there_are_no_shards(world: World) -> None:
    world.create(file({"custom_id": "a"}))
    assert world.validate() == Validated(valid=True, shards=0, total=1)
    assert world.batch["status"] == "in_progress"


PRETTY = json.dumps([question("a"), question("b")], indent=2).encode()


@pytest.mark.parametrize(
    ("content", "code", "line", "message"),
    [
        (b"", "empty_file", 1, f"Line 1: the file is empty. {EXAMPLE}"),
        (b"\n \r\n", "empty_file", 1, f"Line 1: the file is empty. {EXAMPLE}"),
        (PRETTY, "invalid_json_line", 1, f"Line 1: the file is a JSON array, not JSON Lines. {EXAMPLE}"),
        (
            b"\n" + PRETTY.replace(b"\n", b""),
            "invalid_json_line",
            2,
            f"Line 2: not a JSON object. {EXAMPLE}",
        ),
        (
            json.dumps(question("a"), indent=2).encode(),
            "invalid_json_line",
            1,
            f"Line 1: not valid JSON. {EXAMPLE}",
        ),
        (
            b"custom_id,question\n1,Why?\n",
            "invalid_json_line",
            1,
            f"Line 1: not valid JSON. {EXAMPLE}",
        ),
        (
            file(question("a")) + b"\x89PNG\r\n",
            "invalid_encoding",
            2,
            "Line 2: not UTF-8 at byte 1 of the line. Save the file as UTF-8 text.",
        ),
        (
            codecs.BOM_UTF16_LE + "{}".encode("utf-16-le"),
            "invalid_encoding",
            1,
            "Line 1: not UTF-8 at byte 1 of the line. Save the file as UTF-8 text.",
        ),
        (b"\0" * 5000, "invalid_json_line", 1, f"Line 1: not valid JSON. {EXAMPLE}"),
        (
            file(*(question(str(number)) for number in range(31))),
            "too_many_lines",
            31,
            "Line 31: the file has more than 30 lines. Split it into several batches.",
        ),
        (
            None,
            "missing_file",
            None,
            f"The file '{INPUT}' has no content. Upload it, and create a new batch.",
        ),
    ],
)
def test_a_file_that_cannot_be_a_batch_is_refused(
    world: World, content: bytes | None, code: str, line: int | None, message: str
) -> None:
    world.create(content)
    world.limits = replace(world.limits, max_lines=30)
    validated = world.validate()
    assert not validated.valid
    assert validated.ended is not None
    assert validated.ended["status"] == world.batch["status"] == "failed"
    error = {"code": code, "message": message, "line": line, "param": "input_file_id"}
    assert world.batch["errors"] == [error]
    assert world.batch["failed_at"] == 1_000
    assert [event["type"] for event in world.webhooks.events] == ["batch.failed"]


def test_a_file_that_is_too_large_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "MAX_FILE_BYTES", 10)
    world.create(file(question("a")))
    assert not world.validate().valid
    (error,) = world.batch["errors"]
    size = world.objects.size(keys.file(OWNER, INPUT))
    assert error["code"] == "file_too_large"
    assert error["message"] == f"The file has {size} bytes; at most 10 are accepted. Split it."


def test_one_good_line_among_nonsense_makes_a_batch(world: World) -> None:
    world.create(file("nonsense", "[", question("a")))
    assert world.validate() == Validated(valid=True, shards=1, total=3)


def test_a_line_that_is_too_long_is_reported_and_the_others_go_on(world: World) -> None:
    world.create(file(question("a", "x" * 8_400_000), question("b")))
    assert world.validate().total == 2
    assert [line["code"] for line in world.lines(keys.rejected(BATCH))] == ["line_too_long"]
    assert shards(world, 1) == [[2]]


def test_a_file_that_is_replaced_meanwhile_is_read_again_by_a_retry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.create(file(question("a")))
    key = keys.file(OWNER, INPUT)
    survey = validation._survey

    def replacing(*arguments: Any) -> int:
        lines = survey(*arguments)
        world.objects.stored[key] = file(question("a"), question("b"))
        return lines

    with monkeypatch.context() as patched:
        patched.setattr(validation, "_survey", replacing)
        with pytest.raises(ObjectChangedError):
            world.validate()
    assert world.batch["status"] == "validating"
    assert world.validate().total == 2


def test_a_batch_that_is_gone_or_has_ended_is_not_validated(world: World) -> None:
    assert world.validate() == Validated(valid=False)
    world.create(file(question("a")), status="expired", client=None)
    assert world.validate() == Validated(valid=False)
    assert world.objects.keys(keys.batch(BATCH)) == []


def test_a_cancelled_batch_is_not_validated_but_goes_on_to_its_end(world: World) -> None:
    world.create(file(question("a")))
    world.cancel()
    assert world.validate() == Validated(valid=True, shards=0, total=0)
    assert world.objects.keys(keys.batch(BATCH)) == []


def test_an_invalid_file_of_a_batch_that_is_cancelled_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.create(b"")
    survey = validation._survey

    def cancelling(*arguments: Any) -> int:
        world.cancel()
        return survey(*arguments)

    monkeypatch.setattr(validation, "_survey", cancelling)
    assert not world.validate().valid
    assert world.batch["status"] == "cancelled"
    assert "errors" not in world.batch
