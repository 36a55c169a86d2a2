"""Whatever a file contains: every line is in one of the two files, in order."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jobtable import keys

from tests.batch.world import BATCH, World, completion, file, passage, question

GOOD = st.builds(lambda text: question("", text), st.sampled_from(["Why?", "How?", "ä\u2028\U0001f600"]))
UNASKABLE = st.sampled_from(
    [question("", max_tokens=9999), question("", "LONG " * 4000), question("", retrieval={"enabled": False})]
)
REFUSED = st.sampled_from(
    [
        question("", model="gpt"),
        question("", stream=True),
        {**question(""), "method": "GET"},
        {"custom_id": None},
    ]
)
RAW = st.sampled_from(["nonsense", "[]", "{", '{"custom_id": "0"}'])
BLANK = st.sampled_from(["", "  "])
FAILING = st.builds(lambda: question("", "FAIL"))
LINES = st.lists(GOOD | UNASKABLE | REFUSED | RAW | BLANK | FAILING, max_size=25)


def named(lines: list[Any], repeated: set[int]) -> list[Any]:
    """Give the lines custom_ids, some of them one that was there before."""
    return [
        {**line, "custom_id": "0" if index in repeated else str(index)}
        if isinstance(line, dict) and "method" in line
        else line
        for index, line in enumerate(lines)
    ]


def model(body: dict[str, Any]) -> Any:
    return "?" if body["messages"][-1]["content"] == "FAIL" else completion(body)


@given(
    LINES,
    st.sets(st.integers(0, 24), max_size=3),
    st.sets(st.integers(0, 9)),
    st.none() | st.integers(0, 5),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_every_line_is_once_in_the_output_or_error_file_in_order(
    lines: list[Any], repeated: set[int], unaugmented: set[int], transformed: int | None, end: bytes
) -> None:
    world = World()
    world.sources.found["Why?"] = [passage("d")]
    world.create(file(*named([question("first"), *lines], repeated)).replace(b"\n", end).removesuffix(end))
    validated = world.validate()
    for shard in set(range(validated.shards)) - unaugmented:
        world.augment(shard)
    if world.prepare():
        world.transform(model, shards=transformed)
    joined = world.join()
    output, errors = world.file("output"), world.file("error")
    world.finish(None, joined.counts())

    given_numbers = [number for number, line in enumerate(["?", *lines], start=1) if line not in ("", "  ")]
    known = {
        line["custom_id"]: line["line"]
        for shard in range(validated.shards)
        for line in world.lines(keys.lines(BATCH, shard))
    }
    answered = [known[line["custom_id"]] for line in output]
    failed = [int(line["error"]["message"].split(":")[0].removeprefix("Line ")) for line in errors]
    assert answered == sorted(answered)
    assert failed == sorted(failed)
    assert sorted(answered + failed) == given_numbers
    assert world.batch["request_counts"] == {
        "total": len(given_numbers),
        "completed": len(output),
        "failed": len(errors),
    }
    assert validated.total == len(given_numbers)
    assert all(line["response"]["body"]["choices"] and line["error"] is None for line in output)


@given(st.lists(st.binary(max_size=40), max_size=8).map(b"\n".join))
def test_any_bytes_end_in_a_definite_status(content: bytes) -> None:
    world = World()
    world.create(content)
    world.run()
    assert world.batch["status"] in {"completed", "failed"}
    assert json.dumps(world.batch.get("errors"))
