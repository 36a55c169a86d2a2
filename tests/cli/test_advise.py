"""`twin advise`: flags, questions, what it prints."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from twin.capacity import WorkloadError
from twin.cli import advise
from twin.cli.main import main

FLAGS = {
    "max_wait_seconds": "60",
    "streaming": "yes",
    "requests_per_day": "5000",
    "busy_hours": "10",
    "input_tokens": "3500",
    "output_tokens": "300",
    "known_upfront": "no",
}


def line(**changes: str) -> list[str]:
    given = {**FLAGS, **changes}
    return ["advise", *(f"--{name.replace('_', '-')}={value}" for name, value in given.items())]


def test_it_recommends_and_tells_what_the_others_miss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line(), "--env=prod"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Realtime fits best, about ")
    assert "  - does not stream: the answer comes as a whole" in printed
    assert "Set in the environment file\n  realtime.copies.min: 1\n" in printed


def test_json_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line(), "--env=prod", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["recommended"] == "realtime"
    assert [(one["type"], one["fits"]) for one in document["types"]] == [
        ("realtime", True),
        ("asynchronous", False),
        ("batch", False),
    ]


def test_nothing_that_fits_is_an_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line(max_wait_seconds="0.2"), "--env=prod"]) == 1
    assert capsys.readouterr().out.startswith("No deployment type meets this workload.")


def test_without_a_terminal_the_missing_flags_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--streaming=yes", "--busy-hours=3", "--input-tokens=9", "--output-tokens=9"]) == 1
    assert capsys.readouterr().err == (
        "error: missing: --max-wait-seconds, --requests-per-day, --known-upfront; "
        "without a terminal every criterion is a flag\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("streaming", "perhaps", "--streaming: 'perhaps' given; accepted: yes or no"),
        ("busy_hours", "ten", "--busy-hours: 'ten' given; accepted: a number"),
        ("output_tokens", "1.5", "--output-tokens: '1.5' given; accepted: a whole number"),
        ("busy_hours", "nan", "--busy-hours: 'nan' given; accepted: a number"),
    ],
)
def test_a_wrong_value_names_its_flag(
    name: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line(**{name: value})) == 1
    assert capsys.readouterr().err == f"error: {message}\n"


def test_what_is_missing_is_asked_for() -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "7"

    given = {**FLAGS, "busy_hours": None}
    assert advise.workload_of(given, answer).busy_hours == 7
    assert asked == ["throughput: hours of the day in which they come? "]


def test_a_wrong_answer_is_asked_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(["ten", "30", "10"])
    given = {**FLAGS, "busy_hours": None}
    assert advise.workload_of(given, lambda _: next(answers)).busy_hours == 10
    assert capsys.readouterr().err.splitlines() == [
        "error: --busy-hours: 'ten' given; accepted: a number",
        "error: busy-hours: 30 given; accepted: hours from 0.1 to 24",
    ]


def test_a_wrong_flag_is_refused_before_anything_is_asked() -> None:
    given = {**FLAGS, "max_wait_seconds": None, "busy_hours": "30"}
    with pytest.raises(WorkloadError, match=r"^busy-hours: 30 given; accepted: hours from 0\.1 to 24$"):
        advise.workload_of(given, lambda _: pytest.fail("was asked"))


@pytest.fixture
def keyboard() -> Iterator[int]:
    """A terminal as standard input; gives the descriptor that types into it."""
    typing, stdin = pty.openpty()
    before = os.dup(0)
    os.dup2(stdin, 0)
    yield typing
    os.dup2(before, 0)
    for descriptor in (before, typing, stdin):
        os.close(descriptor)


def test_at_a_terminal_the_questions_are_no_part_of_the_output(
    keyboard: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(0, closefd=False) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        os.write(keyboard, "".join(f"{value}\n" for value in FLAGS.values()).encode())
        assert main(["advise", "--env=prod", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["recommended"] == "realtime"
    assert printed.err.startswith("latency: seconds a client may wait for the whole answer? latency: is ")


def test_the_end_of_the_answers_is_one_message(
    keyboard: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(0, closefd=False) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        os.write(keyboard, b"60\n\x04")
        assert main(["advise", "--env=prod"]) == 1
    assert capsys.readouterr().err.endswith(
        "error: the answers ended before the questions; every criterion is a flag too\n"
    )


DOCUMENT = (Path(__file__).parents[2] / "docs" / "deployment-types.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"\$ python -m twin (advise .+)\\\n(.+)\n(.+)\n", DOCUMENT)
ROWS = re.findall(r"^\| .*\*\*[\d,]+.*\*\*.*\|$", DOCUMENT, flags=re.MULTILINE)


@pytest.mark.parametrize("number", range(3))
def test_the_document_shows_what_is_printed(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's first line, and in the table the cost of each type for the same workload."""
    assert len(COMMANDS) == len(ROWS) == 3
    first, second, answer = COMMANDS[number]
    arguments = [*shlex.split(first), *shlex.split(second)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[0] == answer
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    _, _, *cells, best, _ = (cell.strip() for cell in ROWS[number].split("|"))
    for cell, found in zip(cells, document["types"], strict=True):
        assert re.search(r"[\d,]+", cell)[0].rstrip(",") == f"{found['usd_per_month']:,.0f}"  # type: ignore[index]
    assert best.startswith(document["recommended"])


def test_a_model_has_a_size() -> None:
    with pytest.raises(WorkloadError, match=r"^--billion-parameters: '0' given; accepted: 0.1 to 1000 billi"):
        advise.parameters("0")


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    """As `| head -1` does."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "twin", *line()], stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")
