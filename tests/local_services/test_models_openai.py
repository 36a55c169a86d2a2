"""Forwarding to an OpenAI-compatible server: here, our own extractive server behind plain HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.local_services.conftest import FAST_MODEL, Cloud, CloudFactory, create_endpoint, details, served
from twin.local.services import wire
from twin.local.services.models import Container, ModelOptions, create_backend

TARGET = {"EndpointName": "ep", "InferenceComponentName": "ic"}
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "model": "twin"}


class ChatApp:
    """`POST /v1/chat/completions`; keeps the requests, and may break off its answer."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.break_after: int | None = None

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        assert (scope["method"], scope["path"]) == ("POST", "/v1/chat/completions")
        body = await wire.read_body(receive, 10_000)
        self.requests.append(json.loads(body))
        self.authorizations.append(wire.header(scope, "authorization"))
        reply = await create_backend(FAST_MODEL).invoke(
            body, Container({"SM_VLLM_SERVED_MODEL_NAME": "llama3"})
        )
        headers = wire.header_list({"content-type": reply.content_type})
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        sent = 0
        async for chunk in reply.body:
            if sent == self.break_after:
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture
def chat() -> ChatApp:
    return ChatApp()


@pytest.fixture
def cloud(start_cloud: CloudFactory, chat: ChatApp) -> Iterator[Cloud]:
    with served(chat) as url:
        running = start_cloud(model=ModelOptions.parse(f"openai:{url}/v1#llama3", api_key="secret"))
        create_endpoint(running.client("sagemaker"))
        yield running


def test_a_whole_answer(cloud: Cloud, chat: ChatApp) -> None:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(**TARGET, Body=json.dumps(QUESTION))
    assert json.loads(answer["Body"].read())["choices"][0]["finish_reason"] == "stop"
    assert chat.requests == [{**QUESTION, "model": "llama3"}]
    assert chat.authorizations == ["Bearer secret"]


def test_a_streamed_answer(cloud: Cloud) -> None:
    body = json.dumps({**QUESTION, "stream": True})
    answer = cloud.client("sagemaker-runtime").invoke_endpoint_with_response_stream(**TARGET, Body=body)
    assert answer["ContentType"] == "text/event-stream; charset=utf-8"
    stream = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert stream.endswith(b"data: [DONE]\n\n")


def test_the_servers_errors_become_model_errors(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("sagemaker-runtime").invoke_endpoint(**TARGET, Body=b'{"messages": []}')
    assert details(caught)["OriginalStatusCode"] == 400
    assert "'messages' must be a non-empty list" in details(caught)["OriginalMessage"]


def test_a_server_that_breaks_off(cloud: Cloud, chat: ChatApp) -> None:
    chat.break_after = 3
    runtime = cloud.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_with_response_stream(
        **TARGET, Body=json.dumps({**QUESTION, "stream": True})
    )
    with pytest.raises(EventStreamError) as caught:
        list(answer["Body"])
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"
    with pytest.raises(ClientError) as refused:
        runtime.invoke_endpoint(**TARGET, Body=json.dumps({**QUESTION, "stream": True}))
    assert refused.value.response["Error"]["Code"] == "ModelError"


def test_a_server_that_is_not_there(start_cloud: CloudFactory) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        cloud = start_cloud(model=ModelOptions.parse(f"openai:{url}"))
        create_endpoint(cloud.client("sagemaker"))
        with pytest.raises(ClientError) as caught:
            cloud.client("sagemaker-runtime").invoke_endpoint(**TARGET, Body=json.dumps(QUESTION))
    assert details(caught)["OriginalStatusCode"] == 503
    message = json.loads(details(caught)["OriginalMessage"])["error"]["message"]
    assert message.startswith(f"the model server at {url}/chat/completions can't be reached: ")
