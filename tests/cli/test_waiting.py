"""Following a job: its changes are shown, and the wait ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from twin.cli.waiting import JobTimeoutError, follow


@dataclass(frozen=True)
class Job:
    status: str


def test_each_change_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    states = iter(["queued", "queued", "completed"])
    ended = follow(Job("queued"), lambda: Job(next(states)), frozenset({"queued"}), seconds=60, pause=0)
    assert ended.status == "completed"
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["queued", "completed"]


def test_a_wait_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JobTimeoutError, match=r"^still queued after 0 s$"):
        follow(Job("queued"), lambda: Job("queued"), frozenset({"queued"}), seconds=0, pause=0)
