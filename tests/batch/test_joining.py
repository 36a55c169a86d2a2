"""Preparing and joining: what the model is asked, and what each line is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from batch.endings import file_id
from batch.joining import Joined
from jobtable import keys
from jobtable.ids import FILE, digits, is_id

from tests.batch.world import BATCH, OWNER, World, completion, file, passage, question


def augmented(world: World, *lines: Any, shards: int | None = None) -> None:
    """Validate the lines into shards of up to 3, and augment all shards or only the first ones."""
    world.create(file(*lines))
    number = world.validate().shards
    for shard in range(number if shards is None else shards):
        world.augment(shard)


def questions(number: int) -> list[dict[str, Any]]:
    return [question(f"q{each}") for each in range(1, number + 1)]


def errors(world: World) -> list[tuple[str | None, str]]:
    return [(line["custom_id"], line["error"]["code"]) for line in world.file("error")]


def test_answers_are_chat_completions_with_their_sources(world: World) -> None:
    world.sources.found["Why?"] = [passage("d")]
    world.create(file(question("a")))
    world.run()
    (line,) = world.file("output")
    body = line["response"]["body"]
    assert line == {
        "id": line["id"],
        "custom_id": "a",
        "response": {"status_code": 200, "request_id": "chatcmpl-1", "body": body},
        "error": None,
    }
    assert body["choices"][0]["message"]["content"] == "Re: Why?"
    assert (body["citations"], body["grounded"], len(body["search_results"])) == (["d"], True, 1)
    assert len(line["id"]) == len("batch_req_") + 24
    assert world.file("error") == []


def test_errors_name_the_line(world: World) -> None:
    augmented(world, question("a"), "", question("b", model="gpt"))
    world.prepare()
    world.transform()
    assert world.join() == Joined(completed=1, failed=1)
    (line,) = world.file("error")
    assert line == {
        "id": line["id"],
        "custom_id": "b",
        "response": None,
        "error": {
            "code": "model_not_found",
            "message": "Line 3: The model 'gpt' does not exist. Use 'twin'.",
        },
    }
    assert world.batch["status"] == "finalizing"
    assert world.batch["finalizing_at"] == 1_000


def test_ids_are_different_for_every_line(world: World) -> None:
    world.create(file(*questions(20), *questions(20)))
    world.run()
    made = [line["id"] for line in world.file("output") + world.file("error")]
    assert len(set(made)) == 40


def test_file_ids_follow_from_the_batch() -> None:
    made = file_id(BATCH, "output"), file_id(BATCH, "error")
    assert all(is_id(each, FILE) for each in made)
    assert len(set(made)) == 2
    assert made[0] == file_id(BATCH, "output")
    assert {digits(each)[:12] for each in made} == {digits(BATCH)[:12]}


@pytest.mark.parametrize(
    "output",
    [
        {"object": "error", "message": "CUDA out of memory", "code": 500},
        {"error": {"message": "bad", "code": 400}},
        {"object": "chat.completion", "choices": []},
        "Internal Server Error",
        ["?"],
        None,
    ],
)
def test_what_is_no_chat_completion_is_a_model_error(world: World, output: Any) -> None:
    world.create(file(*questions(2)))
    world.run(lambda body: output)
    assert errors(world) == [("q1", "model_error"), ("q2", "model_error")]
    assert world.file("error")[1]["error"]["message"] == (
        "Line 2: The model failed on this line, or its answer is no chat completion."
    )
    assert world.file("output") == []
    assert world.batch["status"] == "completed"
    assert world.batch["request_counts"] == {"total": 2, "completed": 0, "failed": 2}


@pytest.mark.parametrize(
    ("status", "failure", "code"),
    [
        ("in_progress", "States.TaskFailed", "batch_failed"),
        ("in_progress", "States.Timeout", "batch_expired"),
        ("cancelling", "States.TaskFailed", "batch_cancelled"),
        ("cancelling", "States.Timeout", "batch_cancelled"),
        ("in_progress", None, "batch_failed"),
    ],
)
def test_partial_results_of_a_failed_transform_job_stay(
    world: World, status: str, failure: str | None, code: str
) -> None:
    augmented(world, *questions(4))
    world.prepare()
    world.batch["status"] = status
    world.transform(shards=1)
    assert world.join(failure) == Joined(completed=2, failed=2)
    assert [line["custom_id"] for line in world.file("output")] == ["q1", "q2"]
    assert errors(world) == [("q3", code), ("q4", code)]
    assert world.batch["status"] == ("cancelling" if status == "cancelling" else "finalizing")


def test_a_shard_that_was_not_augmented_is_not_asked_of_the_model(world: World) -> None:
    augmented(world, *questions(4), shards=1)
    unfinished = keys.transform_shard(BATCH, 1)
    world.objects.upload(unfinished, b'{"line":3,"body":{}}\n')
    assert world.prepare() is True
    assert unfinished not in world.objects.stored
    world.transform()
    assert world.join() == Joined(completed=2, failed=2)
    assert errors(world) == [("q3", "augmentation_failed"), ("q4", "augmentation_failed")]


def test_without_requests_there_is_no_transform_job(world: World) -> None:
    augmented(world, question("a", max_tokens=9999))
    assert world.prepare() is False
    assert world.join() == Joined(failed=1)


@pytest.mark.parametrize("status", ["cancelling", "cancelled", "expired"])
def test_a_batch_that_is_cancelled_or_has_ended_is_not_transformed(world: World, status: str) -> None:
    augmented(world, question("a"))
    assert world.prepare() is True
    world.batch["status"] = status
    assert world.prepare() is False


def test_a_batch_that_is_gone_has_nothing_to_do(world: World) -> None:
    assert world.prepare() is False
    assert world.join() == Joined()
    assert world.finish().record is None
    assert world.objects.stored == {}


def test_outputs_are_found_wherever_the_job_put_them_below_its_prefix(world: World) -> None:
    augmented(world, *questions(4))
    world.transform()
    for key in world.objects.keys(keys.transform_output(BATCH)):
        folder, name = key.rsplit("/", 1)
        world.objects.upload(f"{folder}/transform/{name}", world.objects.stored.pop(key))
    world.objects.upload(f"{keys.transform_output(BATCH)}manifest.json", b"{}")
    assert world.join() == Joined(completed=4)


def test_lines_that_the_output_lacks_or_garbles_fail_alone(world: World) -> None:
    augmented(world, *questions(6))
    world.transform()
    key = f"{keys.transform_output(BATCH)}00000.jsonl.out"
    _, second, third = world.objects.stored[key].splitlines(keepends=True)
    world.objects.upload(key, b'{"line": tru\n{"SageMakerOutput": {}}\n' + second + second + third)
    assert world.join() == Joined(completed=5, failed=1)
    assert errors(world) == [("q1", "batch_failed")]
    assert [line["custom_id"] for line in world.file("output")] == ["q2", "q3", "q4", "q5", "q6"]


def test_a_batch_whose_validation_did_not_end_has_no_lines(world: World) -> None:
    world.create(file(*questions(4)))
    world.objects.upload(keys.lines(BATCH, 0), json.dumps({"line": 1, "custom_id": "q1"}).encode())
    assert world.join("Lambda.Unknown") == Joined()
    assert world.file("error") == []
    world.finish("Lambda.Unknown", Joined().counts())
    assert world.batch["status"] == "failed"


def test_unfinished_objects_of_an_earlier_join_are_replaced(world: World) -> None:
    """The file of a run that saw more errors does not outlive a run that sees none."""
    augmented(world, question("a"))
    world.join("States.TaskFailed")
    assert errors(world) == [("a", "batch_failed")]
    world.transform()
    assert world.join() == Joined(completed=1)
    assert keys.file(OWNER, file_id(BATCH, "error")) not in world.objects.stored


def test_a_completion_is_passed_on_whole(world: World) -> None:
    more = {"usage": {"total_tokens": 3}, "model": "twin", "system_fingerprint": "ä"}
    world.create(file(question("a")))
    world.run(lambda body: {**completion(body), **more})
    body = world.file("output")[0]["response"]["body"]
    assert {name: body[name] for name in more} == more
