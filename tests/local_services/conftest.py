"""The services under a real HTTP server, and unmodified boto3 clients for them."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from twin.local.services import ModelOptions, Services
from twin.local.services.runtime import RuntimeOptions
from twin.local.services.sagemaker import AnyRole, Delays
from twin.local.services.wire import ASGIApp, Receive, Scope, Send

FAST_MODEL = ModelOptions.parse("extractive", time_to_first_token_ms=0, inter_token_latency_ms=0)
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")


@dataclass(frozen=True, slots=True)
class Cloud:
    """Running services and where they listen."""

    services: Services
    url: str

    def client(self, name: str) -> Any:
        """A boto3 client without retries."""
        return boto3.client(
            name,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
        )


def details(caught: pytest.ExceptionInfo[ClientError]) -> dict[str, Any]:
    """The whole error response, with the members that only some errors have."""
    return cast(dict[str, Any], caught.value.response)


def refused(call: Any, **parameters: Any) -> tuple[str, int, str]:
    """Code, HTTP status and message of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    error = response["Error"]
    return error["Code"], response["ResponseMetadata"]["HTTPStatusCode"], error["Message"]


def route_by_signature(services: Services, fallback: ASGIApp | None = None) -> ASGIApp:
    """Route as the local cloud's front does: by the service in the request's signature."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        match = _CREDENTIAL.search(headers.get(b"authorization", b"").decode())
        target = headers.get(b"x-amz-target")
        path = scope.get("path", "")
        found = services.route(match[1] if match else "", path, target.decode() if target else None)
        chosen = found if scope["type"] == "http" and found else fallback
        assert chosen is not None, f"no service for {path}"
        await chosen(scope, receive, send)

    return app


@contextmanager
def served(app: ASGIApp, *, lifespan: str = "off") -> Iterator[str]:
    """Serve `app` on a free port of 127.0.0.1 and give its URL."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(app, log_level="warning", lifespan=lifespan, date_header=False)  # type: ignore[arg-type]  # one of uvicorn's literals
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


CloudFactory = Callable[..., Cloud]


@pytest.fixture
def start_cloud(tmp_path: Path) -> Iterator[CloudFactory]:
    """Start services with chosen options; they stop with the test."""
    stack: list[Any] = []

    def start(
        *,
        model: ModelOptions = FAST_MODEL,
        runtime_options: RuntimeOptions | None = None,
        delays: Delays | None = None,
        roles: Any = None,
    ) -> Cloud:
        services = Services(
            tmp_path / "state",
            model,
            runtime_options=runtime_options,
            delays=delays,
            roles=roles or AnyRole(),
        )
        running = served(route_by_signature(services))
        stack.append(running)
        return Cloud(services, running.__enter__())

    yield start
    for running in reversed(stack):
        running.__exit__(None, None, None)


@pytest.fixture
def cloud(start_cloud: CloudFactory) -> Cloud:
    """Services with the defaults, and a model that answers at once."""
    return start_cloud()


def create_endpoint(sagemaker: Any, environment: dict[str, str] | None = None, copies: int = 1) -> None:
    """The endpoint `ep` with the inference component `ic` on the variant `main`."""
    role = "arn:aws:iam::000000000000:role/execution"
    container = {"Image": "vllm", "Environment": environment or {}}
    sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {"VariantName": "main", "InstanceType": "ml.g6e.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="config", ProductionVariants=[variant], ExecutionRoleArn=role
    )
    sagemaker.create_endpoint(EndpointName="ep", EndpointConfigName="config")
    sagemaker.create_inference_component(
        InferenceComponentName="ic",
        EndpointName="ep",
        VariantName="main",
        Specification={
            "ModelName": "model",
            "ComputeResourceRequirements": {
                "MinMemoryRequiredInMb": 1024,
                "NumberOfAcceleratorDevicesRequired": 1,
            },
        },
        RuntimeConfig={"CopyCount": copies},
    )
