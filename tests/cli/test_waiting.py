"""Following a job: its changes are shown, and the wait ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pytest

from twin.cli import background, batch
from twin.cli.waiting import JobTimeoutError, follow
from twin.settings import load

ENVIRONMENTS = Path(__file__).parents[2] / "environments"


class Pauses(TypedDict):
    pause: float
    longest_pause: float


AT_ONCE = Pauses(pause=0, longest_pause=0)


@dataclass(frozen=True)
class Job:
    status: str


def test_each_change_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    states = iter(["queued", "queued", "completed"])
    ended = follow(Job("queued"), lambda: Job(next(states)), frozenset({"queued"}), seconds=60, **AT_ONCE)
    assert ended.status == "completed"
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["queued", "completed"]


def test_a_wait_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JobTimeoutError, match=r"^still queued after 0 s; the job goes on$"):
        follow(Job("queued"), lambda: Job("queued"), frozenset({"queued"}), seconds=0, **AT_ONCE)


def test_the_longer_a_job_takes_the_less_often_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of questions every second would use up the quota of most keys."""
    pauses: list[float] = []
    monkeypatch.setattr("twin.cli.waiting.time.sleep", pauses.append)
    states = iter([*["queued"] * 30, "completed"])
    follow(
        Job("queued"),
        lambda: Job(next(states)),
        frozenset({"queued"}),
        seconds=60,
        pause=1,
        longest_pause=30,
    )
    assert pauses[:3] == [1, 1.25, 1.5625]
    assert pauses == sorted(pauses)
    assert max(pauses) == pauses[-1] == 30


def test_a_day_of_waiting_for_a_batch_is_within_the_smallest_quota_of_an_environment_on_aws() -> None:
    smallest = min(
        tier.quota_per_day
        for name in ("dev", "staging", "prod")
        for tier in load(ENVIRONMENTS / f"{name}.yaml").api.tiers.values()
    )
    assert smallest * 0.9 > batch.TIMEOUT_SECONDS / batch.LONGEST_PAUSE_SECONDS
    assert smallest / 10 > background.TIMEOUT_SECONDS / background.LONGEST_PAUSE_SECONDS


def test_an_interrupted_wait_says_that_the_job_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> Job:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(Job("queued"), interrupt, frozenset({"queued"}), seconds=60, **AT_ONCE)
    assert capsys.readouterr().out.endswith("The wait ended; the job goes on.\n")
