"""`twin advise`: asks for the four criteria, or takes them as flags, and says which deployment type fits."""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from twin.capacity import Advice, Assessment, Workload, WorkloadError
from twin.capacity.workload import check
from twin.cli.output import bold, dim, fail, say

if TYPE_CHECKING:
    import argparse

_WIDTH = 100
_CAVEAT = """\
Prices are SageMaker's in us-east-1, on demand; throughput is half of what the GPU's memory
bandwidth allows; requests are taken to be spread evenly over the busy hours, so give the
busiest hour's rate where there are peaks. Measure before you rely on it: docs/deployment-types.md."""
_SMALLEST, _LARGEST = 0.1, 1000


@dataclass(frozen=True, slots=True)
class Question:
    """One criterion: its flag, what is asked at a terminal, and how an answer is read."""

    name: str
    criterion: str
    text: str
    read: Callable[[str], Any]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def yes_or_no(text: str) -> bool:
    """Raises ValueError for anything else."""
    known = {"yes": True, "y": True, "no": False, "n": False}
    if text.strip().lower() not in known:
        raise ValueError(f"{text!r} given; accepted: yes or no")
    return known[text.strip().lower()]


def number(text: str) -> float:
    """Raises ValueError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} given; accepted: a number")
    return value


def whole_number(text: str) -> int:
    """Raises ValueError for anything else."""
    value = number(text)
    if value != int(value):
        raise ValueError(f"{text!r} given; accepted: a whole number")
    return int(value)


QUESTIONS = (
    Question("max_wait_seconds", "latency", "seconds a client may wait for the whole answer", number),
    Question("streaming", "latency", "is the answer read while it is written (yes/no)", yes_or_no),
    Question("requests_per_day", "throughput", "requests a day", number),
    Question("busy_hours", "throughput", "hours of the day in which they come", number),
    Question("input_tokens", "data", "tokens of a prompt with its sources", whole_number),
    Question("output_tokens", "data", "tokens of an answer", whole_number),
    Question("known_upfront", "data", "do all requests exist at once, as a file (yes/no)", yes_or_no),
)


def add_flags(command: argparse.ArgumentParser) -> None:
    """A flag for each criterion; values are read later, so that a wrong one gets one message anywhere."""
    for question in QUESTIONS:
        values = "yes|no" if question.read is yes_or_no else "N"
        command.add_argument(question.flag, metavar=values, help=f"{question.criterion}: {question.text}")
    command.add_argument(
        "--billion-parameters", metavar="N", default="8.03", help="size of the model (default: %(default)s)"
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def workload_of(given: Mapping[str, str | None], ask: Callable[[str], str] | None) -> Workload:
    """The workload that the flags give; what is missing is asked for, where there is somebody to ask.

    A wrong answer is asked for again, after all flags were found right.

    Raises:
        WorkloadError: a flag is wrong, or missing with nobody to ask.
    """
    missing = [question.flag for question in QUESTIONS if given.get(question.name) is None]
    if missing and ask is None:
        raise WorkloadError(f"missing: {', '.join(missing)}; without a terminal every criterion is a flag")
    values = {
        question.name: read(question, text)
        for question in QUESTIONS
        if (text := given.get(question.name)) is not None
    }
    for question in QUESTIONS:
        if ask is not None and question.name not in values:
            values[question.name] = _answer(question, ask)
    return Workload(**values)


def read(question: Question, text: str) -> Any:
    """The answer's value; raises WorkloadError, which names the flag."""
    try:
        value = question.read(text)
    except ValueError as error:
        raise WorkloadError(f"{question.flag}: {error}") from None
    check(question.name, value)
    return value


def _answer(question: Question, ask: Callable[[str], str]) -> Any:
    while True:
        text = ask(f"{question.criterion}: {question.text}? ")
        try:
            return read(question, text)
        except WorkloadError as error:
            fail(str(error))


def parameters(text: str) -> float:
    """Billions of parameters; raises WorkloadError."""
    try:
        value = number(text)
        if not _SMALLEST <= value <= _LARGEST:
            raise ValueError(f"{text!r} given; accepted: {_SMALLEST} to {_LARGEST} billion")
    except ValueError as error:
        raise WorkloadError(f"--billion-parameters: {error}") from None
    return value


def terminal() -> Callable[[str], str] | None:
    """Asks at the terminal, or None where there is none. What is asked stays out of what is printed."""
    return _ask if sys.stdin.isatty() else None


def _ask(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    try:
        return input()
    except EOFError:
        print(file=sys.stderr)
        raise WorkloadError("the answers ended before the questions; every criterion is a flag too") from None


def show(advice: Advice) -> None:
    """Print the recommendation, then each type with its reasons, then the keys to set."""
    best = advice.best
    if best is None:
        say(bold("No deployment type meets this workload."))
    else:
        say(bold(f"{best.type.capitalize()} fits best") + dim(f", {_price(best)}"))
    for one in sorted(advice.assessments, key=lambda one: not one.fits):
        say()
        say(bold(one.type) + dim(f"  {_price(one)}, {one.instances} x {one.instance_type} while busy, ")
            + dim(f"answers within {_duration(one.wait_seconds)}"))  # fmt: skip
        for sign, texts in (("+", one.reasons), ("-", one.misses)):
            for text in texts:
                say(textwrap.fill(text, _WIDTH, initial_indent=f"  {sign} ", subsequent_indent="    "))
    if best is not None:
        say()
        say(bold("Set in the environment file"))
        for key, value in best.settings.items():
            say(f"  {key}: {value}")
    say()
    say(dim(_CAVEAT))


def as_json(advice: Advice) -> str:
    """The same for machines."""
    best = advice.best
    document = {
        "recommended": best.type if best else None,
        "workload": asdict(advice.workload),
        "types": [{**asdict(one), "fits": one.fits} for one in advice.assessments],
    }
    return json.dumps(document, indent=2)


def _price(one: Assessment) -> str:
    if one.usd_per_month is None:
        return f"price of {one.instance_type} unknown"
    about = "about " if one.price_estimated else ""
    return f"{about}{one.usd_per_month:,.0f} USD a month"


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
