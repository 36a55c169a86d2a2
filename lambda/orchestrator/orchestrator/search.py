"""The passages of the corpus that are most similar to a question."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Protocol

from prompting.errors import InvalidRequestError
from retrieval import Passage

from orchestrator.aws.client import AwsConnectionError, AwsError
from orchestrator.encoder import EncoderUnavailableError
from orchestrator.errors import RetrievalUnavailableError

if TYPE_CHECKING:
    from orchestrator.aws.client import AwsClient
    from orchestrator.encoder import BackgroundEncoder

SEARCH_TIMEOUT_SECONDS = 5.0


class Retriever(Protocol):
    async def search(
        self, question: str, top_k: int, metadata_filter: dict[str, Any] | None
    ) -> list[Passage]:
        """Return at most `top_k` passages, most similar first.

        Raises `RetrievalUnavailableError`, and `InvalidRequestError` for a filter that is not accepted.
        """
        ...


class S3VectorsRetriever:
    """Encodes the question and queries an S3 Vectors index of cosine distances."""

    def __init__(
        self,
        encoder: BackgroundEncoder,
        client: AwsClient,
        *,
        bucket: str,
        index: str,
        timeout_seconds: float = SEARCH_TIMEOUT_SECONDS,
    ) -> None:
        self._encoder = encoder
        self._client = client
        self._index = {"vectorBucketName": bucket, "indexName": index}
        self._timeout_seconds = timeout_seconds

    async def search(
        self, question: str, top_k: int, metadata_filter: dict[str, Any] | None
    ) -> list[Passage]:
        try:
            vector = await self._encoder.encode(question)
        except EncoderUnavailableError as error:
            raise RetrievalUnavailableError from error
        query: dict[str, Any] = {
            **self._index,
            "topK": top_k,
            "queryVector": {"float32": vector},
            "returnMetadata": True,
            "returnDistance": True,
        }
        if metadata_filter is not None:
            query["filter"] = metadata_filter
        answer = await self._query(query)
        try:
            return [
                Passage.from_metadata(vector["metadata"], round(1 - vector["distance"], 6))
                for vector in answer["vectors"]
            ]
        except (KeyError, TypeError) as error:
            raise RetrievalUnavailableError from error

    async def _query(self, query: dict[str, Any]) -> dict[str, Any]:
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.post("/QueryVectors", query) as response,
            ):
                answer: dict[str, Any] = json.loads(await response.aread())
                return answer
        except AwsError as error:
            if error.kind == "ValidationException" and "filter" in query:
                message = "The filter was not accepted by the index of sources."
                raise InvalidRequestError(message, param="retrieval.filter") from error
            raise RetrievalUnavailableError from error
        except (AwsConnectionError, TimeoutError, ValueError) as error:
            raise RetrievalUnavailableError from error
