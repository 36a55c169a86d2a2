"""What the pipeline adds to the model: overhead per request, and to the first token."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.report import Row
from bench.serving import time_to_first_byte
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
        connection = clone.connection
        self._pool = urllib3.PoolManager()
        self._cloud = f"http://127.0.0.1:{clone.port}"
        self._chat = f"{connection.base_url}/chat/completions"
        self._key = {"authorization": f"Bearer {connection.api_key}", "content-type": "application/json"}
        self._names = Names(LOCAL_ENVIRONMENT)

    def pipeline(self, *, stream: bool) -> float:
        body = {"model": MODEL, **_request(QUESTION, stream)}
        return time_to_first_byte(self._pool, self._chat, body, self._key)

    def endpoint(self, *, stream: bool) -> float:
        body = _request(PADDING + QUESTION, stream)
        route = "invocations-response-stream" if stream else "invocations"
        url = f"{self._cloud}/endpoints/{self._names.endpoint}/{route}"
        headers = {
            "content-type": "application/json",
            "X-Amzn-SageMaker-Inference-Component": self._names.inference_component,
        }
        request = AWSRequest("POST", url, headers=headers, data=json.dumps(body))
        SigV4Auth(Credentials(*LOCAL_CREDENTIALS.values()), "sagemaker", "us-east-1").add_auth(request)
        return time_to_first_byte(self._pool, url, body, dict(request.headers.items()))


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
