"""Traces reach X-Ray's daemon, each request's under its own trace."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from orchestrator.tracing import NoTracing, XRayTracing, trace_header, tracing

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, json
from orchestrator.tracing import XRayTracing

async def request(tracing, number):
    trace = f"Root=1-00000000-{number:024x};Parent={number:016x};Sampled={number % 2}"
    tracing.start({"x-amzn-lambda-context": json.dumps({"xray_trace_id": trace})})
    with tracing.stage("retrieve"):
        await asyncio.sleep(0.02)
    await asyncio.create_task(stage(tracing))

async def stage(tracing):
    with tracing.stage("model"):
        await asyncio.sleep(0.02)

async def main():
    tracing = XRayTracing("orchestrator")
    with tracing.stage("too early"):
        pass
    tracing.load()
    tracing.start({})
    with tracing.stage("no trace"):
        pass
    await asyncio.gather(*(request(tracing, number) for number in (1, 2, 3)))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a process of three concurrent requests, the second not sampled, sends to the daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(0.2)
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "lambda/orchestrator"),
            "LAMBDA_TASK_ROOT": str(tmp_path_factory.mktemp("task")),
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
        }
        subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], env=variables, check=True)
        received: list[dict[str, Any]] = []
        while True:
            try:
                datagram = daemon.recv(65_536)
            except TimeoutError:
                return received
            received.append(json.loads(datagram.split(b"\n", 1)[1]))


def test_each_stage_belongs_to_its_requests_trace(segments: list[dict[str, Any]]) -> None:
    assert {(each["trace_id"], each["parent_id"], each["name"]) for each in segments} == {
        (f"1-00000000-{number:024x}", f"{number:016x}", name)
        for number in (1, 3)
        for name in ("retrieve", "model")
    }
    assert len(segments) == 4


def test_a_stage_has_its_own_time(segments: list[dict[str, Any]]) -> None:
    for each in segments:
        assert each["type"] == "subsegment"
        assert 0.015 < each["end_time"] - each["start_time"] < 1


@pytest.mark.parametrize(
    ("headers", "header"),
    [
        ({"x-amzn-lambda-context": '{"xray_trace_id":"Root=1"}'}, "Root=1"),
        ({"x-amzn-lambda-context": '{"xray_trace_id":null}'}, None),
        ({"x-amzn-lambda-context": "[]"}, None),
        ({"x-amzn-lambda-context": "{"}, None),
        ({}, None),
    ],
)
def test_the_trace_comes_with_the_request(headers: dict[str, str], header: str | None) -> None:
    assert trace_header(headers) == header


def test_nothing_is_traced_where_no_daemon_runs() -> None:
    assert isinstance(tracing("orchestrator", {}), NoTracing)
    assert isinstance(tracing("orchestrator", {"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000"}), XRayTracing)
    silent = NoTracing()
    silent.load()
    silent.start({})
    with silent.stage("model"):
        pass
