"""The application with fakes, called in process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpcore
import httpx
import pytest
from orchestrator.aws.client import connection_pool
from orchestrator.chat import Adapters
from orchestrator.pacing import Pace
from orchestrator.service import create_app

from tests.orchestrator.aws_stub import AwsStub
from tests.orchestrator.fake_jobs import FakeJobs
from tests.orchestrator.fakes import (
    MODEL,
    FakeModel,
    FakeRetriever,
    FakeTelemetry,
    FakeTracing,
    environment,
)
from tests.orchestrator.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Harness:
    """Fakes and the application around them, made when it is first asked for."""

    model: FakeModel = field(default_factory=FakeModel)
    retriever: FakeRetriever = field(default_factory=FakeRetriever)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    tracing: FakeTracing = field(default_factory=FakeTracing)
    jobs: FakeJobs = field(default_factory=FakeJobs)
    variables: dict[str, str] = field(default_factory=dict)
    pace: Pace | None = None
    ready: bool = True

    @property
    def app(self) -> FastAPI:
        adapters = Adapters(self.model, self.retriever, self.telemetry, self.tracing, self.jobs.adapters)
        return create_app(environment(**self.variables), adapters, pace=self.pace, ready=lambda: self.ready)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://twin") as client:
            return await client.request(method, path, **options)

    async def chat(self, question: str = "What are copies?", **fields: Any) -> httpx.Response:
        body = {"model": MODEL, "messages": [{"role": "user", "content": question}], **fields}
        return await self.request("POST", "/v1/chat/completions", json=body)


@pytest.fixture
def harness() -> Harness:
    return Harness()


@pytest.fixture(scope="session")
def running_stub() -> Iterator[tuple[AwsStub, str]]:
    stub = AwsStub()
    with serve(stub) as url:
        yield stub, url


@pytest.fixture
def aws(running_stub: tuple[AwsStub, str]) -> tuple[AwsStub, str]:
    """A stub of AWS's services and its address."""
    running_stub[0].reset()
    return running_stub


@pytest.fixture
async def pool() -> AsyncIterator[httpcore.AsyncConnectionPool]:
    async with connection_pool(tls=False) as connections:
        yield connections
