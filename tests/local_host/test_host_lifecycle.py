"""Starting, stopping and finding the local cloud."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twin.local import lifecycle, state
from twin.local.__main__ import parse
from twin.local.options import CloudOptions
from twin.local.processes import ProcessIdentity, ProcessRegister
from twin.settings import load


def test_start_stop_and_start_again_keep_the_state(fresh_options: CloudOptions, client_of: Any) -> None:
    started = lifecycle.start(fresh_options)
    assert started.url == fresh_options.url
    assert lifecycle.start(fresh_options) == started
    assert lifecycle.status(fresh_options.state_dir) == started
    client_of(fresh_options, "s3").create_bucket(Bucket="kept")
    assert lifecycle.stop(fresh_options.state_dir) is True
    assert lifecycle.status(fresh_options.state_dir) is None
    assert lifecycle.stop(fresh_options.state_dir) is False
    again = lifecycle.start(fresh_options)
    assert again.pid != started.pid
    assert again.notes == ()
    buckets = client_of(fresh_options, "s3").list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == ["kept"]


def test_discarded_state_is_told_once(fresh_options: CloudOptions) -> None:
    state.prepare(fresh_options.layout, fresh_options.port)
    state.Manifest.current(fresh_options.port).with_settled(False).write(fresh_options.layout.manifest_file)
    assert lifecycle.start(fresh_options).notes == (
        "The stored state was discarded: the cloud stopped while a stack was being deployed.",
    )
    assert lifecycle.start(fresh_options).notes == ()


def test_killed_cloud_leaves_no_process(
    fresh_options: CloudOptions, client_of: Any, package: Callable[..., bytes]
) -> None:
    """Functions' processes die with the cloud even when it cannot end them, and the next start is clean."""
    started = lifecycle.start(fresh_options)
    functions = client_of(fresh_options, "lambda")
    common = {"Runtime": "python3.13", "Role": "arn:aws:iam::000000000000:role/none"}
    functions.create_function(
        FunctionName="worker", Handler="handler.handler", Code={"ZipFile": package("handler")}, **common
    )
    functions.create_function(
        FunctionName="web",
        Handler="run.sh",
        Code={"ZipFile": package("web")},
        Layers=["arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerArm64:27"],
        Environment={
            "Variables": {
                "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
                "AWS_LWA_READINESS_CHECK_PATH": "/health",
            }
        },
        **common,
    )
    functions.invoke(FunctionName="worker", Payload="{}")
    functions.invoke(FunctionName="web", Payload='{"httpMethod": "GET", "path": "/health"}')
    records = [json.loads(path.read_text()) for path in fresh_options.layout.processes.glob("*.json")]
    processes = [ProcessIdentity(**record) for record in records]
    assert sorted(process.title for process in processes) == ["web", "worker"]
    assert all(process.alive for process in processes)
    os.kill(started.pid, signal.SIGKILL)
    assert all(process.wait(5) for process in processes)
    assert lifecycle.status(fresh_options.state_dir) is None
    assert lifecycle.start(fresh_options).pid != started.pid


def test_a_busy_port_names_the_process_that_has_it(fresh_options: CloudOptions) -> None:
    program = (
        "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); "
        "print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(fresh_options.port)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(lifecycle.LifecycleError) as refused:
            lifecycle.start(fresh_options)
        other.kill()
    assert str(refused.value).startswith(
        f"port {fresh_options.port} on 127.0.0.1 is in use by process {other.pid} ({sys.executable} -c "
    )
    assert str(refused.value).endswith(
        f"Stop that process, or choose another port, as in `make up PORT={fresh_options.port + 1}`"
    )


def test_a_crash_while_starting_shows_the_log(fresh_options: CloudOptions) -> None:
    broken = CloudOptions(fresh_options.state_dir, fresh_options.port, model="extractive:no")
    with pytest.raises(lifecycle.LifecycleError) as failed:
        lifecycle.start(broken)
    log = fresh_options.layout.log_file
    assert str(failed.value) == (
        f"the local cloud stopped while it was starting (exit status 1). Its log: {log}\n"
        "  twin.local: extractive takes nothing after a colon, found 'no'"
    )


def test_a_recycled_process_id_is_not_taken_for_the_cloud(fresh_options: CloudOptions) -> None:
    """The process file names this test's process, but with another start time."""
    layout = fresh_options.layout
    layout.root.mkdir(parents=True)
    record = {"pid": os.getpid(), "started": 1, "options": lifecycle.describe(fresh_options)}
    layout.process_file.write_text(json.dumps(record), encoding="utf-8")
    assert lifecycle.status(fresh_options.state_dir) is None
    assert lifecycle.stop(fresh_options.state_dir) is False


def test_a_cloud_that_does_not_answer_is_named(
    fresh_options: CloudOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test's own process plays a cloud that holds the state directory and hangs."""
    monkeypatch.setattr(lifecycle, "_ANSWER_SECONDS", 0.2)
    fresh_options.layout.root.mkdir(parents=True)
    lifecycle.write_process_file(fresh_options)
    with pytest.raises(lifecycle.LifecycleError) as silent:
        lifecycle.status(fresh_options.state_dir)
    assert str(silent.value) == (
        f"the local cloud (process {os.getpid()}) runs but does not answer on port {fresh_options.port}. "
        f"Its log: {fresh_options.layout.log_file}. Stop it with `make down`"
    )
    fresh_options.layout.process_file.unlink()


def test_a_second_cloud_in_the_same_directory_is_refused(cloud: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = cloud.options.layout.root
    second = subprocess.run(
        [sys.executable, "-m", "twin.local", "--port", str(port), "--state", str(root)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    record = json.loads(cloud.options.layout.process_file.read_text(encoding="utf-8"))
    assert second.returncode == 1
    assert second.stderr == (
        f"twin.local: a local cloud already uses {root} "
        f"(process {record['pid']}, port {cloud.options.port}). "
        "Stop it with `make down`, or choose another --state\n"
    )


def test_leftover_processes_of_functions_are_ended_by_their_file(tmp_path: Path) -> None:
    leftover = subprocess.Popen(["sleep", "60"], start_new_session=True)
    identity = ProcessIdentity.of(leftover.pid, "left")
    assert identity is not None
    register = ProcessRegister(tmp_path)
    register.add(identity)
    register.add(ProcessIdentity(os.getpid(), 1, "recycled id"))
    assert register.end_all() == [identity]
    assert leftover.wait(5) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ignores_the_request_to_stop_is_killed() -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        identity = ProcessIdentity.of(stubborn.pid, "stubborn")
        assert identity is not None
        started = time.monotonic()
        identity.end(0.2)
        assert time.monotonic() - started >= 0.2
    assert stubborn.returncode == -signal.SIGKILL


def test_a_model_that_cannot_be_is_refused_before_anything_is_stopped(tmp_path: Path) -> None:
    environment = load(Path(__file__).parents[2] / "environments" / "local.yaml")
    with pytest.raises(lifecycle.LifecycleError) as refused:
        lifecycle.options_for(environment, tmp_path, model="nonsense")
    assert str(refused.value) == (
        "model backend is 'nonsense': expected extractive, openai:<url of an OpenAI-compatible server>, "
        "or transformers:<folder of a model>"
    )


def test_the_command_line_carries_every_option(tmp_path: Path) -> None:
    """A started cloud has the options that it was started with, those of the environment file included."""
    environment = load(Path(__file__).parents[2] / "environments" / "local.yaml")
    options = lifecycle.options_for(environment, tmp_path, 4570)
    assert environment.local is not None
    assert options.asynchronous_wake_seconds == environment.local.asynchronous_wake_seconds
    chosen = CloudOptions(tmp_path.resolve(), 4571, "extractive", 1.0, 2.0, 0.25)
    assert parse(lifecycle.arguments(chosen)) == chosen
    assert lifecycle.describe(chosen) != lifecycle.describe(replace(chosen, asynchronous_wake_seconds=1.0))
