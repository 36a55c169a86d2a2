"""The second step: sources, prompts, and lines that do not become requests."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from batch.augmentation import GROUP_LINES, Augmented, MissingShardError, OutOfTimeError
from hypothesis import given
from hypothesis import strategies as st
from jobtable import keys
from prompting.parsing import parse_request
from prompting.persona import Persona
from prompting.prompt import Limits, build_prompt

from tests.batch.variables import PERSONA
from tests.batch.world import BATCH, World, file, passage, question


def start(world: World, *lines: dict[str, Any]) -> None:
    """Validate the lines into one shard."""
    world.limits = replace(world.limits, lines_per_shard=1000, instances=1)
    world.create(file(*lines))
    world.validate()


def requests(world: World) -> list[dict[str, Any]]:
    return world.lines(keys.transform_shard(BATCH, 0))


def context(world: World) -> list[dict[str, Any]]:
    return world.lines(keys.context(BATCH, 0))


def test_a_line_becomes_a_request_with_its_sources(world: World) -> None:
    world.sources.found["Why?"] = [passage("d", title="T", url="https://d"), passage("low", 0.29)]
    start(world, question("a", temperature=0.5, max_completion_tokens=9, user="u"))
    assert world.augment(0) == Augmented(requests=1)
    (request,) = requests(world)
    body = request["body"]
    assert request["line"] == 1
    assert {name: body[name] for name in body if name != "messages"} == {
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "user": "u",
    }
    system, user = body["messages"]
    assert "Text of d." in system["content"]
    assert user == {"role": "user", "content": "Why?"}
    (known,) = context(world)
    assert (known["line"], known["custom_id"]) == (1, "a")
    assert known["about"]["citations"] == ["https://d"]
    assert known["about"]["grounded"] is True
    (source,) = known["about"]["search_results"]
    assert (source["index"], source["document_id"], source["score"], source["title"]) == (1, "d", 0.9, "T")


def test_a_length_that_is_left_open_is_the_services(world: World) -> None:
    start(world, question("a"))
    world.augment(0)
    assert requests(world)[0]["body"]["max_tokens"] == 512


def test_the_question_with_the_message_before_it_is_searched_only_if_nothing_was_found(world: World) -> None:
    world.sources.found = {"found": [passage("a")], "low": [passage("l", 0.1)], "low\nfirst": [passage("b")]}
    world.limits = replace(world.limits, lines_per_shard=10)

    def asked(custom_id: str, last: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": "first"}, {"role": "user", "content": last}]
        return question(custom_id, messages=messages)

    start(world, asked("1", "found"), asked("2", "low"), asked("3", "nothing"))
    world.augment(0)
    assert [text for text, _, _ in world.sources.searched] == [
        *("found", "low", "nothing"),
        *("low\nfirst", "nothing\nfirst"),
    ]
    assert [line["about"]["citations"] for line in context(world)] == [["a"], ["b"], []]
    assert [line["about"]["grounded"] for line in context(world)] == [True, True, False]


def test_number_and_filter_of_sources_are_the_lines_or_the_environments(world: World) -> None:
    chosen = {"top_k": 2, "filter": {"author": "ada"}}
    start(world, question("a", retrieval=chosen), question("b"))
    world.augment(0)
    assert sorted(world.sources.searched, key=str) == [
        ("Why?", 2, {"author": {"$eq": "ada"}}),
        ("Why?", 5, None),
    ]


def test_without_retrieval_or_question_nothing_is_searched(world: World) -> None:
    silent = question("b", messages=[{"role": "system", "content": "Say something."}])
    start(world, question("a", retrieval={"enabled": False}), silent)
    world.augment(0)
    assert world.sources.searched == []
    assert world.encoder.texts == []
    plain, ungrounded = (line["body"]["messages"][0]["content"] for line in requests(world))
    assert "Say that no source was found." not in plain
    assert "Say that no source was found." in ungrounded


def test_a_line_whose_sources_cannot_be_searched_fails(world: World) -> None:
    world.sources.down = True
    start(world, question("a"), question("b", retrieval={"enabled": False}))
    assert world.augment(0) == Augmented(requests=1, errors=1)
    failed, sent = context(world)
    message = "The sources could not be searched. Send the line again in a new batch."
    error = {"code": "retrieval_unavailable", "message": message}
    assert failed == {"line": 1, "custom_id": "a", "error": error}
    assert sent["custom_id"] == "b"


def test_or_it_goes_on_without_sources_where_the_environment_says_so(world: World) -> None:
    world.sources.down = True
    world.rules = replace(world.rules, fallback="ungrounded")
    messages = [{"role": "user", "content": "first"}, {"role": "user", "content": "Why?"}]
    start(world, question("a", messages=messages))
    assert world.augment(0) == Augmented(requests=1)
    assert context(world)[0]["about"] == {"citations": [], "search_results": [], "grounded": False}
    assert [text for text, _, _ in world.sources.searched] == ["Why?"]


def test_a_filter_that_the_index_refuses_is_the_lines_error(world: World) -> None:
    start(world, question("a", retrieval={"filter": {"author": "refused"}}))
    world.augment(0)
    message = "The filter was not accepted by the index of sources."
    assert context(world)[0]["error"] == {"code": "invalid_value", "message": message}


def test_a_line_that_is_too_long_for_the_model_fails_alone(world: World) -> None:
    start(world, question("a", "LONG " * 4000), question("b", max_tokens=513), question("c"))
    assert world.augment(0) == Augmented(requests=1, errors=2)
    long, greedy, _ = context(world)
    assert long["error"]["code"] == "context_length_exceeded"
    assert long["error"]["message"].startswith("This model's maximum context length is 4096 tokens.")
    assert greedy["error"] == {
        "code": "invalid_value",
        "message": "max_tokens is too large: 513. At most 512 completion tokens are given.",
    }
    assert [line["line"] for line in requests(world)] == [3]


def test_a_request_that_would_fail_the_transform_job_is_left_out(world: World) -> None:
    start(world, question("a", stop="x" * 2000), question("b"))
    world.max_line_bytes = 1500
    world.augment(0)
    error = context(world)[0]["error"]
    assert error["code"] == "request_too_large"
    assert error["message"].endswith("at most 1500 are accepted. Shorten it.")
    assert [line["line"] for line in requests(world)] == [2]


def test_the_prompt_is_the_one_that_the_shared_package_builds(world: World) -> None:
    world.sources.found["Why?"] = found = [passage("d"), passage("e", 0.5)]
    start(world, question("a"))
    world.augment(0)
    parsed = parse_request(json.dumps(question("a")["body"]).encode())
    persona = Persona.model_validate(PERSONA)
    prompt = build_prompt(parsed, persona, found, Limits(context=4096, output=512, sources=1500))
    assert requests(world)[0]["body"]["messages"] == prompt.messages


def test_a_shard_of_errors_alone_has_no_requests(world: World) -> None:
    world.sources.down = True
    start(world, question("a"))
    world.augment(0)
    assert keys.transform_shard(BATCH, 0) not in world.objects.stored


def test_a_shard_that_cannot_end_in_time_leaves_nothing_and_comes_again(world: World) -> None:
    lines = [question(str(number)) for number in range(2 * GROUP_LINES)]
    start(world, *lines)
    world.in_time = 1
    before = dict(world.objects.stored)
    with pytest.raises(OutOfTimeError, match=r"shard 0 of batch_0123.* is too much for one invocation"):
        world.augment(0)
    assert world.objects.stored == before
    world.in_time = 2
    assert world.augment(0) == Augmented(requests=2 * GROUP_LINES)


def test_a_finished_shard_is_not_augmented_again(world: World) -> None:
    start(world, question("a"))
    world.augment(0)
    stored = dict(world.objects.stored)
    world.sources.found["Why?"] = [passage()]
    assert world.augment(0) == Augmented(skipped=True)
    assert world.objects.stored == stored


@pytest.mark.parametrize("status", ["cancelling", "cancelled", "expired", "failed", "completed"])
def test_a_batch_that_is_cancelled_or_has_ended_is_passed_over(world: World, status: str) -> None:
    start(world, question("a"))
    world.batch["status"] = status
    assert world.augment(0) == Augmented(skipped=True)
    assert world.encoder.texts == []


def test_a_shard_without_lines_is_an_error(world: World) -> None:
    start(world, question("a"))
    with pytest.raises(MissingShardError, match=r"lines/00007\.jsonl"):
        world.augment(7)


@given(st.lists(st.booleans(), min_size=1, max_size=3 * GROUP_LINES))
def test_every_line_has_a_context_in_order_and_a_request_if_it_has_no_error(good: list[bool]) -> None:
    world = World()
    lines = [
        question(str(number), max_tokens=5 if each else 9999, retrieval={"enabled": number % 2 == 0})
        for number, each in enumerate(good)
    ]
    start(world, *lines)
    assert world.augment(0) == Augmented(requests=sum(good), errors=len(good) - sum(good))
    assert [("about" in line, line["line"]) for line in context(world)] == [
        (each, number) for number, each in enumerate(good, start=1)
    ]
    assert [line["line"] for line in requests(world)] == [
        number for number, each in enumerate(good, start=1) if each
    ]
