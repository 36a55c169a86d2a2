"""The command line: what it accepts, and how it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.cli import commands
from twin.cli.main import main
from twin.deployment.cdk import CdkError
from twin.settings import SettingsError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def test_an_unknown_environment_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["synth", "--env", "production"])
    refused = capsys.readouterr().err
    assert "invalid choice: 'production'" in refused
    assert all(name in refused for name in ("dev", "local", "prod", "staging"))


@pytest.mark.parametrize(
    "error", [SettingsError("environments/local.yaml: no"), CdkError("`cdk deploy` exited 1")]
)
def test_an_expected_failure_is_one_message_and_exit_status_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(parsed: argparse.Namespace) -> int:
        del parsed
        raise error

    monkeypatch.setattr(commands, "status", failing)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.mark.parametrize("words", [["ask", "Why?"], ["diff"], ["deploy"], ["corpus", "sync", "."]])
def test_commands_say_that_the_local_cloud_does_not_run(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "STATE", tmp_path)
    assert main(words) == 1
    assert capsys.readouterr().err == "error: the local cloud does not run; `make up` starts it\n"
