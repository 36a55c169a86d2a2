"""The real adapter against the local cloud's asynchronous endpoint."""

from __future__ import annotations

import asyncio
import json

import pytest
from jobtable import ids, keys, states
from orchestrator.aws.client import AwsClient, connection_pool
from orchestrator.aws.credentials import Credentials
from orchestrator.errors import ModelUnavailableError
from orchestrator.jobs.asynchronous import SageMakerAsynchronousModel
from orchestrator.responses.views import view

from tests.local_services.test_asynchronous_api import AsyncCloud, bare, ready

__all__ = ["bare", "ready"]

pytestmark = pytest.mark.anyio

BODY = json.dumps({"messages": [{"role": "user", "content": "Why are copies cheap?"}]}).encode()


async def submitted(cloud: AsyncCloud, inference_id: str, *, endpoint: str = "ep", key: str = "") -> str:
    """Key of the output of a request that the endpoint took."""
    async with connection_pool(tls=False) as pool:
        model = SageMakerAsynchronousModel(
            AwsClient(
                pool,
                base_url=cloud.cloud.url,
                signing_name="sagemaker",
                region="us-east-1",
                credentials=lambda: Credentials("test", "test"),
                backoff_seconds=0.001,
            ),
            endpoint_name=endpoint,
            bucket="exchange",
            request_ttl=3600,
            invocation_timeout=900,
        )
        if key:
            return (await model.submit_object(inference_id, key)).output_key
        return (await model.submit(inference_id, BODY)).output_key


@pytest.mark.parametrize("inline", [True, False])
async def test_what_is_submitted_is_answered_where_the_answer_is_looked_for(
    ready: AsyncCloud, inline: bool
) -> None:
    job = ids.new_id(ids.RESPONSE, 1)
    inference_id = ids.inference_id("a" * 26, job)
    key = "" if inline else keys.asynchronous_input(job)
    if key:
        ready.objects.stored["exchange", key] = BODY
    output_key = await submitted(ready, inference_id, key=key)
    message = await asyncio.to_thread(ready.message, inference_id)
    assert message["responseParameters"]["outputLocation"] == f"s3://exchange/{output_key}"
    record = {
        "id": job,
        "status": states.COMPLETED,
        "created_at": 1,
        "ended_at": 2,
        "model": "m",
        "request": {},
        "metadata": {},
        "sources": [],
        "grounded": False,
    }
    response = view(record, ready.objects.stored["exchange", output_key])
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["text"]
    assert response["usage"]["output_tokens"] > 0


async def test_an_endpoint_that_is_not_there_takes_nothing(ready: AsyncCloud) -> None:
    with pytest.raises(ModelUnavailableError):
        await submitted(ready, "ada:resp_1", endpoint="another")
