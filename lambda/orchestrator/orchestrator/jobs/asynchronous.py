"""The asynchronous endpoint: it takes a request now, and writes its answer to the exchange bucket later."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from orchestrator.aws.client import AwsConnectionError, AwsError
from orchestrator.errors import ModelUnavailableError
from orchestrator.model_errors import from_endpoint_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.aws.client import AwsClient

MAX_INLINE_BYTES = 128_000
ANSWER_SECONDS = 10.0

_HEADER = "x-amzn-sagemaker-"
_SERVER_ERROR = 500
_JSON = "application/json"


class SubmissionUnknownError(Exception):
    """The endpoint may have taken the request, or not."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where in the exchange bucket the answer, or what went wrong, will be."""

    output_key: str
    failure_key: str


class AsynchronousModel(Protocol):
    """Both methods raise `SubmissionUnknownError`, and `ApiError` where nothing was taken."""

    async def submit(self, inference_id: str, body: bytes) -> Submitted:
        """Hand over a request of at most `MAX_INLINE_BYTES`."""
        ...

    async def submit_object(self, inference_id: str, key: str) -> Submitted:
        """Hand over the request that is in the exchange bucket."""
        ...


class SageMakerAsynchronousModel:
    """An endpoint with an asynchronous inference configuration. Times in seconds."""

    def __init__(
        self,
        client: AwsClient,
        *,
        endpoint_name: str,
        bucket: str,
        request_ttl: int,
        invocation_timeout: int,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._client = client
        self._path = f"/endpoints/{endpoint_name}/async-invocations"
        self._bucket = bucket
        self._headers = {
            f"{_HEADER}content-type": _JSON,
            f"{_HEADER}accept": _JSON,
            f"{_HEADER}requestttlseconds": str(request_ttl),
            f"{_HEADER}invocationtimeoutseconds": str(invocation_timeout),
        }
        self._answer_seconds = answer_seconds

    async def submit(self, inference_id: str, body: bytes) -> Submitted:
        return await self._submit(inference_id, body, {})

    async def submit_object(self, inference_id: str, key: str) -> Submitted:
        return await self._submit(
            inference_id, b"", {f"{_HEADER}inputlocation": f"s3://{self._bucket}/{key}"}
        )

    async def _submit(self, inference_id: str, body: bytes, more: dict[str, str]) -> Submitted:
        headers = {**self._headers, f"{_HEADER}inference-id": inference_id, **more}
        try:
            async with (
                asyncio.timeout(self._answer_seconds),
                self._client.send("POST", self._path, body, headers) as response,
            ):
                await response.aread()
                told = {name.lower().decode(): value.decode() for name, value in response.headers}
        except AwsError as error:
            if _began(error):
                raise SubmissionUnknownError from error
            raise from_endpoint_error(error) from error
        except AwsConnectionError as error:
            raise (SubmissionUnknownError if error.sent else ModelUnavailableError) from error
        except TimeoutError as error:
            raise SubmissionUnknownError from error
        return _submitted(told)


def _began(error: AwsError) -> bool:
    """Whether the service may have failed after it had taken the request."""
    return error.status >= _SERVER_ERROR and error.kind != "ServiceUnavailable" and not error.throttled


def _submitted(headers: Mapping[str, str]) -> Submitted:
    try:
        return Submitted(
            output_key=_key(headers[f"{_HEADER}outputlocation"]),
            failure_key=_key(headers[f"{_HEADER}failurelocation"]),
        )
    except KeyError as error:
        raise SubmissionUnknownError from error


def _key(location: str) -> str:
    """`s3://bucket/a/b` → `a/b`."""
    return urlsplit(location).path.lstrip("/")
