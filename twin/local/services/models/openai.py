"""Forwards invocations to any OpenAI-compatible server: Ollama, vLLM, llama.cpp and others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx

from twin.local.services.models.base import Container, ModelReply, ModelStreamBrokenError
from twin.local.services.models.chat import ChatError
from twin.local.services.models.options import ModelOptions

_TIMEOUT = httpx.Timeout(600.0, connect=5.0)


class OpenAIServer:
    """Model backend that streams the server's own answer through, errors included."""

    def __init__(self, options: ModelOptions) -> None:
        self._url = f"{options.target}/chat/completions"
        self._model = options.served_model
        headers = {"authorization": f"Bearer {options.api_key}"} if options.api_key else {}
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, headers=headers, trust_env=False)

    async def invoke(self, body: bytes, container: Container) -> ModelReply:
        headers = {"content-type": "application/json"}
        request = self._client.build_request("POST", self._url, content=self._renamed(body), headers=headers)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            failure = ChatError(f"the model server at {self._url} can't be reached: {reason}", 503)
            return ModelReply(503, "application/json", _once(failure.body()))
        content_type = response.headers.get("content-type", "application/octet-stream")
        return ModelReply(response.status_code, content_type, _body(response))

    def _renamed(self, body: bytes) -> bytes:
        """The body with the server's own name of the model, when one is configured."""
        if self._model is None:
            return body
        try:
            data = json.loads(body)
        except ValueError:
            return body
        return json.dumps({**data, "model": self._model}).encode() if isinstance(data, dict) else body

    async def close(self) -> None:
        await self._client.aclose()


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _body(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except httpx.TransportError as error:
        raise ModelStreamBrokenError(str(error) or type(error).__name__) from None
    finally:
        await response.aclose()
