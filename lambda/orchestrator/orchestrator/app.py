"""Composition: the environment's settings, the real adapters, the application."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from retrieval import Encoder

from orchestrator.aws.client import AwsClient, connection_pool
from orchestrator.aws.endpoints import SERVICES, endpoint_url
from orchestrator.chat import Adapters
from orchestrator.encoder import BackgroundEncoder
from orchestrator.environment import Environment
from orchestrator.jobs.adapters import on_aws
from orchestrator.model import SageMakerModel
from orchestrator.search import S3VectorsRetriever
from orchestrator.service import create_app
from orchestrator.telemetry import PowertoolsTelemetry
from orchestrator.tracing import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI

    from orchestrator.encoder import Encodes
    from orchestrator.tracing import Tracing


def compose(
    environment: Environment, region: str, load_encoder: Callable[[], Encodes] = Encoder.load
) -> FastAPI:
    """The application on AWS, or on whatever the standard `AWS_ENDPOINT_URL` variables name."""
    runtime_url, vectors_url = (endpoint_url(name, region) for name in ("sagemaker_runtime", "s3vectors"))
    pool = connection_pool(tls=any(endpoint_url(name, region).startswith("https:") for name in SERVICES))
    encoder = BackgroundEncoder(load_encoder)
    answers_without_sources = environment.retrieval_fallback == "ungrounded"
    traces = tracing(environment.powertools_service_name)
    adapters = Adapters(
        model=SageMakerModel(
            AwsClient(pool, base_url=runtime_url, signing_name="sagemaker", region=region),
            endpoint_name=environment.endpoint_name,
            inference_component_name=environment.inference_component_name,
        ),
        retriever=S3VectorsRetriever(
            encoder,
            AwsClient(pool, base_url=vectors_url, signing_name="s3vectors", region=region),
            bucket=environment.vector_bucket_name,
            index=environment.vector_index_name,
        ),
        telemetry=PowertoolsTelemetry(environment),
        tracing=traces,
        jobs=on_aws(environment, pool, region),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        """What takes long is loaded while the first requests may already come in."""
        encoder.start()
        loading = asyncio.create_task(asyncio.to_thread(_load_the_rest, traces))
        yield
        await loading
        encoder.close()
        await pool.aclose()

    return create_app(
        environment,
        adapters,
        ready=lambda: answers_without_sources or not encoder.failed,
        lifespan=lifespan,
    )


def _load_the_rest(traces: Tracing) -> None:
    import_module("botocore.eventstream")
    import_module("orchestrator.responses.handlers")
    traces.load()


app = compose(Environment.read(), os.environ["AWS_REGION"])
