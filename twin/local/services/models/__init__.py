"""Models behind the local cloud's endpoints."""

from __future__ import annotations

from twin.local.services.models.base import Container, ModelBackend, ModelReply, ModelStreamBrokenError
from twin.local.services.models.extractive import ExtractiveModel
from twin.local.services.models.options import ModelOptions, ModelOptionsError
from twin.local.services.models.server import ChatServer

__all__ = [
    "Container",
    "ModelBackend",
    "ModelOptions",
    "ModelOptionsError",
    "ModelReply",
    "ModelStreamBrokenError",
    "create_backend",
]


def create_backend(options: ModelOptions) -> ModelBackend:
    """The model server that `options` describe; `ModelOptionsError` when it can't be started."""
    if options.backend == "openai":
        from twin.local.services.models.openai import OpenAIServer

        return OpenAIServer(options)
    if options.backend == "transformers":
        from twin.local.services.models.transformers import TransformersModel

        return ChatServer(TransformersModel.load(options.target))
    return ChatServer(ExtractiveModel(options.time_to_first_token_ms, options.inter_token_latency_ms))
