"""An asynchronous endpoint among fakes, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.local_services.conftest import FAST_MODEL
from tests.local_services.fakes import FakeObjects, FakeTopics, collaborators
from twin.local.services import Services
from twin.local.services.models import Container, ModelReply
from twin.local.services.runtime import RuntimeOptions
from twin.local.services.sagemaker import AnyRole, Delays, service
from twin.local.services.storage import Record

ROLE = "arn:aws:iam::000000000000:role/execution"
SUCCESS = "arn:aws:sns:us-east-1:000000000000:success"
ERROR = "arn:aws:sns:us-east-1:000000000000:error"
BODY = b'{"messages":[{"role":"user","content":"hello"}]}'


def async_config(**client: Any) -> Record:
    """An AsyncInferenceConfig with both topics and paths."""
    output = {
        "S3OutputPath": "s3://exchange/out",
        "S3FailurePath": "s3://exchange/failed/",
        "NotificationConfig": {"SuccessTopic": SUCCESS, "ErrorTopic": ERROR},
    }
    return {"OutputConfig": output, **({"ClientConfig": client} if client else {})}


def config(name: str = "config", *, concurrency: int = 4, instances: int = 1, **changes: Any) -> Record:
    """The request of CreateEndpointConfig."""
    variant = {
        "VariantName": "main",
        "ModelName": "model",
        "InstanceType": "ml.g6e.xlarge",
        "InitialInstanceCount": instances,
    }
    return {
        "EndpointConfigName": name,
        "ProductionVariants": [variant],
        "AsyncInferenceConfig": async_config(MaxConcurrentInvocationsPerInstance=concurrency),
        **changes,
    }


class HeldModel:
    """Answers a request when it is let go; counts those that it has at once."""

    def __init__(self, *, open_: bool = False) -> None:
        self.gate = asyncio.Event()
        if open_:
            self.gate.set()
        self.at_once = 0
        self.most_at_once = 0
        self.bodies: list[bytes] = []

    async def invoke(self, body: bytes, container: Container) -> ModelReply:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.bodies.append(body)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        return ModelReply(200, "application/json", _once(b'{"answer":true}'))

    async def close(self) -> None:
        """Nothing to close."""


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


@dataclass(frozen=True, slots=True)
class Deployed:
    """Services with the asynchronous endpoint `ep`."""

    services: Services
    model: HeldModel
    objects: FakeObjects
    topics: FakeTopics

    def control(self, operation: str, **request: Any) -> Record:
        """Run an operation of the control plane."""
        return service(self.services.sagemaker).run(operation, request) or {}

    def invoke(self, inference_id: str = "id", body: bytes = BODY, **headers: str) -> Any:
        """Accept a request with an inline body; header names without prefix, `_` for none."""
        fields = {f"x-amzn-sagemaker-{name}": value for name, value in headers.items()}
        fields["x-amzn-sagemaker-inference-id"] = inference_id
        return self.services.asynchronous.accept("ep", fields.get, body)

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what changes it has no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def deployed(
    state: Path,
    *,
    held: bool = False,
    alarms: bool = True,
    wake_seconds: float = 0.05,
    endpoint: Record | None = None,
    around: Any = None,
    update_seconds: float = 0.0,
) -> AsyncIterator[Deployed]:
    """Services in `state`, with the endpoint `ep` where there is none yet; stopped at the end."""
    chosen: Any = around or collaborators("exchange", alarms=alarms)
    services = Services(
        state,
        FAST_MODEL,
        roles=AnyRole(),
        runtime_options=RuntimeOptions(asynchronous_wake_seconds=wake_seconds),
        collaborators=chosen,
    )
    model = HeldModel(open_=not held)
    services.runtime.backend = model
    made = Deployed(services, model, chosen.objects, chosen.topics)
    if "ep" not in services.sagemaker.endpoints:
        container = {"Image": "vllm"}
        made.control("CreateModel", ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        made.control("CreateEndpointConfig", **(endpoint or config()))
        made.control("CreateEndpoint", EndpointName="ep", EndpointConfigName="config")
    services.sagemaker.delays = Delays(endpoint_seconds=update_seconds)
    await services.startup()
    try:
        yield made
    finally:
        await services.shutdown()
