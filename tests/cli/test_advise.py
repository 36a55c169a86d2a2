"""`twin advise`: flags, questions, what it prints."""

from __future__ import annotations

import json

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


def test_a_model_has_a_size() -> None:
    with pytest.raises(WorkloadError, match=r"^--billion-parameters: '0' given; accepted: 0.1 to 1000 billi"):
        advise.parameters("0")
