"""The orchestrator alone, from its bundle, under uvicorn, before the fastest services there could be."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from bench import litellm
from bench.clone import free_port
from bench.report import Row
from bench.serving import QUESTION, ROUNDS, process, time_to_first_byte
from twin.bundling import Target, ensure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
STARTS = 5
REQUESTS_PER_CLIENT = 5
CLIENTS = 8
MODEL_SECONDS = 1.0

VARIABLES = {
    "TWIN_ENVIRONMENT": "bench",
    "POWERTOOLS_SERVICE_NAME": "orchestrator",
    "POWERTOOLS_METRICS_NAMESPACE": "LlmTwin",
    "MODEL_ID": "bench",
    "ENDPOINT_NAME": "bench",
    "INFERENCE_COMPONENT_NAME": "bench",
    "MAX_MODEL_LEN": "8192",
    "MAX_OUTPUT_TOKENS": "1024",
    "MODEL_TIMEOUT_SECONDS": "60",
    "VECTOR_BUCKET_NAME": "bench",
    "VECTOR_INDEX_NAME": "corpus",
    "RETRIEVAL_TOP_K": "8",
    "RETRIEVAL_CONTEXT_TOKENS": "3072",
    "RETRIEVAL_MIN_SCORE": "0.25",
    "RETRIEVAL_FALLBACK": "fail",
    "PERSONA": json.dumps(
        {
            "name": "The Twin",
            "instructions": "Write plainly, in the first person.",
            "citation_instructions": "Cite the numbered sources, like [1].",
            "ungrounded_instructions": "Say that no source was found.",
        }
    ),
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
}


@dataclass(frozen=True, slots=True)
class Function:
    """The function's bundle and the layer's, and a `python` that sees nothing else."""

    code: Path
    layer: Path
    interpreter: Path

    def variables(self, **more: str) -> dict[str, str]:
        paths = os.pathsep.join([str(self.code), str(self.layer / "python")])
        return {
            **VARIABLES,
            "PATH": f"{self.interpreter.parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "LAMBDA_TASK_ROOT": str(self.code),
            "PYTHONPATH": paths,
            **more,
        }


@contextmanager
def _function() -> Iterator[Function]:
    bundles = ensure(ROOT, Target.host(), ["orchestrator", "retrieval"])
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as folder:
        interpreter = Path(folder) / "python"
        interpreter.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" -S "$@"\n')
        interpreter.chmod(0o755)
        yield Function(bundles["orchestrator"].path, bundles["retrieval"].path, interpreter)


@contextmanager
def _served(function: Function, model_seconds: float) -> Iterator[tuple[Clients, float]]:
    """The orchestrator and its upstream; the seconds are those of the orchestrator's start."""
    upstream, port = free_port(), free_port()
    upstream_command = [sys.executable, "-m", "bench.upstream", str(upstream), str(model_seconds)]
    url = f"http://127.0.0.1:{upstream}"
    variables = function.variables(AWS_ENDPOINT_URL=url, AWS_LWA_PORT=str(port))
    with ExitStack() as stack:
        stack.enter_context(process(upstream_command, dict(os.environ), url))
        seconds = stack.enter_context(
            process([str(function.code / "run.sh")], variables, f"http://127.0.0.1:{port}/health")
        )
        yield Clients(f"http://127.0.0.1:{port}/v1/chat/completions", url), seconds


@dataclass(frozen=True, slots=True)
class Clients:
    """The orchestrator and the bare endpoint."""

    chat: str
    upstream: str

    def ours(self, pool: urllib3.PoolManager, *, stream: bool = False) -> float:
        messages = [{"role": "user", "content": QUESTION}]
        return time_to_first_byte(pool, self.chat, {"model": "bench", "messages": messages, "stream": stream})

    def bare(self, pool: urllib3.PoolManager, *, stream: bool = False) -> float:
        route = "invocations-response-stream" if stream else "invocations"
        return time_to_first_byte(pool, f"{self.upstream}/endpoints/bench/{route}", {"messages": []})


def measure_import() -> dict[str, float]:
    """Least seconds of several imports in fresh processes, byte-code cached and not."""
    program = "import time; t = time.perf_counter(); import orchestrator.app; print(time.perf_counter() - t)"
    with _function() as function:
        command = [str(function.interpreter), "-c", program]

        def once(**more: str) -> float:
            output = subprocess.run(command, env=function.variables(**more), capture_output=True, check=True)
            return float(output.stdout)

        with tempfile.TemporaryDirectory() as empty:
            cold = once(PYTHONPYCACHEPREFIX=empty)
            return {"import_s": min(once() for _ in range(STARTS)), "import_without_bytecode_s": cold}


def measure_start() -> dict[str, float]:
    """Least seconds of several starts, from the start of the process to the first 200 of `/health`."""
    with _function() as function:
        seconds = []
        for _ in range(STARTS):
            with _served(function, 0) as (_, elapsed):
                seconds.append(elapsed)
    return {"start_s": min(seconds)}


def measure_overhead() -> dict[str, float]:
    """Medians in milliseconds: the whole with a model that takes no time, and what is added to calling it."""
    with _function() as function, _served(function, 0) as (clients, _):
        pool = urllib3.PoolManager()
        for stream in (False, True):
            for _ in range(10):
                clients.ours(pool, stream=stream)
                clients.bare(pool, stream=stream)
        whole = [clients.ours(pool) for _ in range(ROUNDS)]
        added = [clients.ours(pool, stream=True) - clients.bare(pool, stream=True) for _ in range(ROUNDS)]
    return {"overhead_p50_ms": statistics.median(whole), "added_ttft_p50_ms": statistics.median(added)}


def measure_concurrency() -> dict[str, float]:
    """Requests per second at 8 clients and at 1, with a model that takes 1.0 s."""
    with _function() as function, _served(function, MODEL_SECONDS) as (clients, _):
        clients.ours(urllib3.PoolManager())
        one = _rate(clients.ours, 1)
        many = _rate(clients.ours, CLIENTS)
    return {"rate_1_per_s": one, "rate_8_per_s": many, "ratio_8_to_1": many / one}


def _rate(ask: Callable[[urllib3.PoolManager], float], clients: int) -> float:
    def client(_: int) -> None:
        pool = urllib3.PoolManager()
        for _ in range(REQUESTS_PER_CLIENT):
            ask(pool)

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(client, range(clients)))
    return clients * REQUESTS_PER_CLIENT / (time.perf_counter() - started)


def measure_bundle() -> dict[str, float]:
    """Megabytes of the function for AWS, zipped, without the retrieval layer."""
    folder = ensure(ROOT, Target.aws(), ["orchestrator"])["orchestrator"].path
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
        return {"bundle_zipped_mb": file.tell() / 1e6}


def measure() -> list[Row]:
    rival = litellm.measure()
    figures = {
        **measure_import(),
        **measure_start(),
        **measure_overhead(),
        **measure_concurrency(),
        **measure_bundle(),
    }
    return [
        Row("orchestrator: import", figures["import_s"], "s", limit=0.8, beside=14, rival="reference"),
        Row("orchestrator: import without byte-code", figures["import_without_bytecode_s"], "s"),
        Row(
            "orchestrator: process start to first 200",
            figures["start_s"],
            "s",
            limit=1.5,
            beside=43,
            rival="reference",
        ),
        Row(
            "own overhead per request with retrieval, p50, 1 client, under uvicorn",
            figures["overhead_p50_ms"],
            "ms",
            limit=30,
            beside=rival["overhead_p50_ms"],
            rival=f"LiteLLM {litellm.VERSION} without retrieval, same run",
        ),
        Row("added time to first token, p50, under uvicorn", figures["added_ttft_p50_ms"], "ms", limit=35),
        Row(
            "requests/s at 8 clients ÷ 1 client, 1.0 s model",
            figures["ratio_8_to_1"],
            "fold",
            limit=7.5,
            at_least=True,
            beside=1.07,
            rival="reference",
        ),
        Row(
            "orchestrator bundle without the retrieval layer, zipped",
            figures["bundle_zipped_mb"],
            "MB",
            limit=15,
            beside=65.8,
            rival="aws-genai-llm-chatbot",
        ),
    ]
