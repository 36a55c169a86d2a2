"""What the pipeline adds to the model: overhead per request, and to the first token."""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING, Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.report import Row
from stacks.naming import Names
from twin.deployment.target import LOCAL_CREDENTIALS, LOCAL_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.clone import Clone

MODEL = "llm-twin-8b"
ROUNDS = 60
QUESTION = "What does scaling to zero cost the first caller?"
PADDING = "Serving a twin costs what the graphics card costs while it waits. " * 150


class _Clients:
    """The pipeline and the bare endpoint, over connections that stay open."""

    def __init__(self, clone: Clone) -> None:
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", clone.port, maxsize=2)
        self._chat = (
            clone.connection.base_url.removeprefix(f"http://127.0.0.1:{clone.port}") + "/chat/completions"
        )
        self._key = clone.connection.api_key
        self._names = Names(LOCAL_ENVIRONMENT)

    def pipeline(self, *, stream: bool) -> float:
        body = json.dumps({"model": MODEL, **_request(QUESTION, stream)})
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        return self._time(self._chat, body, headers)

    def endpoint(self, *, stream: bool) -> float:
        body = json.dumps({**_request(PADDING + QUESTION, stream)})
        route = "invocations-response-stream" if stream else "invocations"
        path = f"/endpoints/{self._names.endpoint}/{route}"
        headers = {
            "content-type": "application/json",
            "X-Amzn-SageMaker-Inference-Component": self._names.inference_component,
        }
        request = AWSRequest("POST", f"http://127.0.0.1:{self._pool.port}{path}", headers=headers, data=body)
        credentials = Credentials(
            LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"], LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        )
        SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
        return self._time(path, body, dict(request.headers.items()))

    def _time(self, path: str, body: str, headers: dict[str, str]) -> float:
        """Milliseconds from sending until the first bytes of the body."""
        started = time.perf_counter()
        response = self._pool.urlopen("POST", path, body=body, headers=headers, preload_content=False)
        first = response.read(1)
        elapsed = (time.perf_counter() - started) * 1000
        rest = response.read()
        response.release_conn()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {(first + rest)[:500]!r}")
        return elapsed


def _request(content: str, stream: bool) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 1, "stream": stream}


def _added(ours: Callable[[], float], bare: Callable[[], float]) -> float:
    """Median of what `ours` takes more than `bare`, measured in turns so that noise meets both alike."""
    for _ in range(5):
        ours(), bare()
    return statistics.median(ours() - bare() for _ in range(ROUNDS))


def measure(clone: Clone) -> list[Row]:
    clients = _Clients(clone)
    buffered = _added(lambda: clients.pipeline(stream=False), lambda: clients.endpoint(stream=False))
    streamed = _added(lambda: clients.pipeline(stream=True), lambda: clients.endpoint(stream=True))
    return [
        Row(
            "own overhead per request with retrieval, p50, 1 client, through API Gateway",
            buffered,
            "ms",
            limit=30,
            beside=1200,
            rival="reference",
        ),
        Row("added time to first token, p50, through API Gateway", streamed, "ms", limit=35),
    ]
