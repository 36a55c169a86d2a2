"""The function as it is deployed: its start, what it loads, and the real adapters together."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from tests.orchestrator.aws_stub import (
    AwsStub,
    Reply,
    error_reply,
    json_reply,
    payload_part,
    vllm_stream,
)
from tests.orchestrator.fakes import CHUNKS, MODEL, VARIABLES
from tests.orchestrator.serving import serve
from tests.orchestrator.test_job_adapters import ACCEPTED
from tests.orchestrator.test_search_contract import VECTORS

ROOT = Path(__file__).parents[2]
FUNCTION = ROOT / "lambda/orchestrator"
LAYER = ROOT / "lambda/retrieval"
SHARED = (ROOT / "lambda/jobtable", ROOT / "lambda/prompting")

FAKE_ENCODER = """
from retrieval import Encoder

class FakeEncoder:
    def encode(self, texts):
        return self
    def __getitem__(self, row):
        return self
    def tolist(self):
        return [1.0, 0.0]

Encoder.load = classmethod(lambda cls: FakeEncoder())
"""


def search_path(first: Path) -> str:
    """`first`, then what the bundle and its layer bring."""
    return os.pathsep.join(map(str, (first, *SHARED, LAYER)))


def variables(url: str, **more: str) -> dict[str, str]:
    folder = Path(sys.executable).parent
    return {
        **VARIABLES,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "LAMBDA_TASK_ROOT": str(FUNCTION),
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL": url,
        **more,
    }


@contextmanager
def running(environment: dict[str, str], output: Path | None = None) -> Iterator[str]:
    """Start `run.sh` as the web adapter does, and wait until its port answers.

    What the process prints goes to `output`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**environment, "AWS_LWA_PORT": str(port)}
    with (output or Path(os.devnull)).open("wb") as log:
        process = subprocess.Popen([FUNCTION / "run.sh"], env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{url}/health")
        except httpx.TransportError:
            assert process.poll() is None, "the function ended"
            assert time.monotonic() < deadline, "the function did not start"
            time.sleep(0.02)
        else:
            return


@pytest.fixture
def layer(tmp_path: Path) -> str:
    """The layer's package, with an encoder that needs no weights."""
    (tmp_path / "sitecustomize.py").write_text(FAKE_ENCODER)
    return search_path(tmp_path)


def test_the_deployed_process_answers_from_sources(layer: str) -> None:
    stub = AwsStub()
    stub.script(json_reply({"vectors": VECTORS}), Reply([payload_part(vllm_stream(CHUNKS))]))
    with serve(stub) as aws, running(variables(aws, PYTHONPATH=layer)) as url:
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        with OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0) as client:
            stream = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "What are copies?"}], stream=True
            )
            chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Grüße from Ada [1]."
    assert (chunks[0].model_extra or {})["citations"] == ["https://ada.example/copies", "notes/2"]
    assert [call.path for call in stub.calls] == [
        "/QueryVectors",
        "/endpoints/twin-test-realtime/invocations-response-stream",
    ]
    assert "<sources>" in stub.calls[1].body["messages"][0]["content"]


def test_the_deployed_process_accepts_a_background_response(layer: str) -> None:
    """Each of the real adapters reaches its service, with the environment's names."""
    stub = AwsStub()
    stub.script(
        json_reply({"vectors": VECTORS}),
        json_reply({}),
        ACCEPTED,
        error_reply(400, "ConditionalCheckFailedException"),
        json_reply({}),
    )
    with (
        serve(stub) as aws,
        running(variables(aws, PYTHONPATH=layer)) as url,
        OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0) as client,
    ):
        response = client.responses.create(model=MODEL, input="What are copies?", background=True)
    assert response.status == "queued"
    search, put, submit, change, get = stub.calls
    assert search.path == "/QueryVectors"
    assert submit.path == "/endpoints/twin-test-asynchronous/async-invocations"
    assert submit.headers["x-amzn-sagemaker-inference-id"] == f"local:{response.id}"
    assert "<sources>" in submit.body["messages"][0]["content"]
    for call, operation in ((put, "PutItem"), (change, "UpdateItem"), (get, "GetItem")):
        assert call.headers["x-amz-target"] == f"DynamoDB_20120810.{operation}"
        assert call.body["TableName"] == "jobs"
    assert put.body["Item"]["id"] == {"S": response.id}


@pytest.mark.parametrize(("fallback", "status"), [("fail", 503), ("ungrounded", 200)])
def test_without_an_encoder_only_ungrounded_answers_are_ready(
    tmp_path: Path, fallback: str, status: int
) -> None:
    broken = FAKE_ENCODER.replace("lambda cls: FakeEncoder()", "lambda cls: 1 / 0")
    (tmp_path / "sitecustomize.py").write_text(broken)
    path = search_path(tmp_path)
    environment = variables("http://127.0.0.1:9", PYTHONPATH=path, RETRIEVAL_FALLBACK=fallback)
    with running(environment) as url:
        deadline = time.monotonic() + 5
        while (seen := httpx.get(f"{url}/health").status_code) != status and time.monotonic() < deadline:
            time.sleep(0.02)
        assert seen == status


def test_whatever_is_printed_is_json(tmp_path: Path) -> None:
    """Also the stack trace of a bug, here an encoder whose vector is none; and all of it at once."""
    site, printed = tmp_path / "site", tmp_path / "printed"
    site.mkdir()
    (site / "sitecustomize.py").write_text(FAKE_ENCODER.replace("def tolist", "def nothing"))
    path = search_path(site)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "What are copies?"}]}
    with running(variables("http://127.0.0.1:9", PYTHONPATH=path), printed) as url:
        response = httpx.post(f"{url}/v1/chat/completions", json=body)
        deadline = time.monotonic() + 5
        while len(lines := printed.read_text().splitlines()) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert response.status_code == 500
    assert "tolist" not in response.text
    request, metrics, stack = map(json.loads, lines)
    assert (request["status"], request["outcome"]) == (500, "internal_error")
    assert request["request_id"] == response.headers["x-request-id"]
    assert metrics["outcome"] == "internal_error"
    assert "has no attribute 'tolist'" in stack["exception"]
    assert "What are copies?" not in printed.read_text()


def test_importing_loads_only_what_a_start_needs() -> None:
    program = "import orchestrator.app, sys, json; print(json.dumps(sorted(sys.modules)))"
    environment = variables("http://127.0.0.1:9", PYTHONPATH=search_path(FUNCTION))
    output = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    loaded = set(json.loads(output.stdout))
    unwanted = {
        "aws_xray_sdk",
        "boto3",
        "botocore.auth",
        "botocore.client",
        "botocore.session",
        "httpx",
        "numpy",
        "onnxruntime",
        "opentelemetry.sdk",
        "orchestrator.batches.handlers",
        "orchestrator.files.handlers",
        "orchestrator.responses.handlers",
        "orchestrator.responses.request",
        "tokenizers",
    }
    assert loaded & unwanted == set()
    assert "orchestrator.service" in loaded


def test_a_missing_variable_ends_the_start_with_its_name() -> None:
    environment = variables("http://127.0.0.1:9", PYTHONPATH=search_path(FUNCTION))
    del environment["ENDPOINT_NAME"]
    process = subprocess.run(
        [sys.executable, "-c", "import orchestrator.app"], env=environment, capture_output=True, check=False
    )
    assert process.returncode == 1
    assert b"1 validation error for Environment\nENDPOINT_NAME\n  Field required" in process.stderr


def test_the_start_script_can_be_run() -> None:
    assert os.access(FUNCTION / "run.sh", os.X_OK)
