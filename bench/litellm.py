"""LiteLLM's proxy, the OpenAI-compatible gateway to beat, before the same upstream on the same machine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from bench.clone import free_port
from bench.serving import QUESTION, ROUNDS, process, time_to_first_byte

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
VERSION = "1.106.2"
HOME = ROOT / "build" / f"litellm-{VERSION}"
"""A virtual environment of its own, because its packages are none of this project's."""

KEY = "sk-bench"
"""The proxy wants a key; it listens on 127.0.0.1 alone, while the bench runs."""


def install() -> None:
    """Install the proxy, unless it is there."""
    if (HOME / "complete").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(HOME)], check=True)
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet"]
    subprocess.run([*uv, "--python", str(HOME / "bin/python"), f"litellm[proxy]=={VERSION}"], check=True)
    (HOME / "complete").touch()


def measure() -> dict[str, float]:
    """Median milliseconds of a request whose model takes no time. The proxy retrieves nothing."""
    install()
    with ExitStack() as stack:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        upstream = [sys.executable, "-m", "bench.upstream", str(port), "0"]
        stack.enter_context(process(upstream, dict(os.environ), url))
        proxy = stack.enter_context(_proxy(f"{url}/v1"))
        pool = urllib3.PoolManager(headers={"authorization": f"Bearer {KEY}"})
        body = {"model": "bench", "messages": [{"role": "user", "content": QUESTION}]}

        def once() -> float:
            return time_to_first_byte(pool, f"{proxy}/v1/chat/completions", body)

        for _ in range(10):
            once()
        return {"overhead_p50_ms": statistics.median(once() for _ in range(ROUNDS))}


@contextmanager
def _proxy(upstream: str) -> Iterator[str]:
    """Run the proxy with one model and nothing else; yield its address."""
    port = free_port()
    settings = {
        "model_list": [
            {
                "model_name": "bench",
                "litellm_params": {"model": "openai/bench", "api_base": upstream, "api_key": "none"},
            }
        ],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    variables = {
        **os.environ,
        "LITELLM_MASTER_KEY": KEY,
        # Without these it looks up prices and reports use over the network.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(settings), encoding="utf-8")
        command = [
            str(HOME / "bin/litellm"),
            "--config",
            str(config),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        with process(
            [*command, "--telemetry", "False"], variables, f"http://127.0.0.1:{port}/health/liveliness"
        ):
            yield f"http://127.0.0.1:{port}"
