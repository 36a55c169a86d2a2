"""The command line: what it accepts, and how it fails."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import httpx2
import openai
import pytest

from twin.cli import commands
from twin.cli.main import main
from twin.cli.output import say
from twin.deployment.bring_up import LocalDeployment
from twin.deployment.cdk import CdkError
from twin.deployment.connection import Connection
from twin.local import lifecycle
from twin.settings import SettingsError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path


def test_an_unknown_environment_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["synth", "--env", "production"])
    refused = capsys.readouterr().err
    assert "invalid choice: 'production'" in refused
    assert all(name in refused for name in ("dev", "local", "prod", "staging"))


@pytest.mark.parametrize("port", ["99999", "80", "x"])
def test_a_port_that_cannot_be_is_refused_with_those_that_can(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["up", "--port", port])
    assert f"'{port}' is no port: expected 1024 to 65535" in capsys.readouterr().err


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


def test_an_error_of_the_api_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    response = httpx2.Response(404, request=httpx2.Request("POST", "http://127.0.0.1/v1/responses"))
    body = {"message": "There is no such type here.", "code": "deployment_type_not_available"}

    def refuse() -> None:
        raise openai.NotFoundError("Error code: 404 - {…}", response=response, body=body)

    _doing(monkeypatch, refuse)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == (
        "error: There is no such type here. (404 deployment_type_not_available)\n"
    )


@pytest.mark.parametrize("mode", ["realtime", "background"])
def test_a_file_that_nothing_would_read_is_refused(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ask", "--mode", mode, "--file", "requests.jsonl", "Why?"])
    assert f"--file goes with --mode batch, not with {mode}" in capsys.readouterr().err


def test_an_unknown_mode_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ask", "--mode", "async", "Why?"])
    refused = capsys.readouterr().err
    assert "invalid choice: 'async'" in refused
    assert all(mode in refused for mode in ("realtime", "background", "batch"))


@pytest.mark.parametrize(("name", "reason"), [("gone.jsonl", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_one_message_and_nothing_is_sent(
    name: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connection = Connection("http://127.0.0.1:9/v1", "key", "local")
    monkeypatch.setattr(commands, "_require_local_cloud", lambda port: None)
    monkeypatch.setattr(commands, "connection_of", lambda target: connection)
    assert main(["ask", "--mode", "batch", "--file", str(tmp_path / name), ""]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / name}: {reason}")


@pytest.mark.parametrize("words", [["ask", "Why?"], ["diff"], ["deploy"], ["corpus", "sync", "."]])
def test_commands_say_that_the_local_cloud_does_not_run(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "STATE", tmp_path)
    assert main(words) == 1
    assert capsys.readouterr().err == "error: the local cloud does not run; `make up` starts it\n"


def _doing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let `twin status` do `act`."""

    def status(parsed: argparse.Namespace) -> int:
        del parsed
        act()
        return 0

    monkeypatch.setattr(commands, "status", status)


def test_a_folder_that_may_not_be_written_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied", "/state/cloud.log")

    _doing(monkeypatch, refuse)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "error: /state/cloud.log: Permission denied\n"


def test_a_terminal_without_unicode_is_spoken_to_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    _doing(monkeypatch, lambda: say("✓ done…"))
    assert main(["status"]) == 0
    assert written.getvalue() == b"? done?\n"


def test_loopback_is_reached_without_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", {"HTTP_PROXY": "http://proxy:3128"})
    _doing(monkeypatch, lambda: seen.update(os.environ))
    main(["status"])
    assert seen["no_proxy"] == "127.0.0.1,localhost"


def test_a_cloud_that_ends_during_the_deploy_is_named_instead_of_the_refused_connections(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "cloud.log"
    cloud = lifecycle.Cloud(1, 4566, "http://127.0.0.1:4566", log)

    def fail(deployment: LocalDeployment, progress: object) -> None:
        raise CdkError("connect ECONNREFUSED 127.0.0.1:4566")

    monkeypatch.setattr(commands, "STATE", tmp_path)
    monkeypatch.setattr(lifecycle, "start", lambda options: cloud)
    monkeypatch.setattr(LocalDeployment, "bootstrap", lambda deployment: False)
    monkeypatch.setattr(LocalDeployment, "deploy", fail)
    assert main(["up"]) == 1
    assert capsys.readouterr().err == (
        f"error: the local cloud ended during the deploy; its log is {log}. Try again\n"
    )
