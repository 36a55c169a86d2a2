"""Time limits for each stage of a model's answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from orchestrator.errors import ModelTooSlowError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable

T = TypeVar("T")

FIRST_TOKEN_SECONDS = 60.0
"""SageMaker gives a model 60 s to begin its answer."""

BETWEEN_TOKENS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Longest times in seconds; the total runs from the call to the answer's end."""

    total: float
    first_token: float = FIRST_TOKEN_SECONDS
    between_tokens: float = BETWEEN_TOKENS_SECONDS

    async def whole(self, answer: Awaitable[T]) -> T:
        """Await an answer that comes in one piece. Raises `ModelTooSlowError`."""
        try:
            async with asyncio.timeout(self.total):
                return await answer
        except TimeoutError as error:
            message = f"The model did not finish its answer within {self.total:g} s."
            raise ModelTooSlowError(message) from error

    async def each(self, chunks: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """Yield what `chunks` yields. Raises `ModelTooSlowError` when a stage takes too long."""
        now = asyncio.get_running_loop().time
        deadline = now() + self.total
        stage, limit = "begin its answer", self.first_token
        while True:
            stage_end = now() + limit
            if deadline < stage_end:
                stage, limit, stage_end = "finish its answer", self.total, deadline
            try:
                async with asyncio.timeout_at(stage_end):
                    chunk = await anext(chunks)
            except TimeoutError as error:
                raise ModelTooSlowError(f"The model did not {stage} within {limit:g} s.") from error
            except StopAsyncIteration:
                return
            yield chunk
            stage, limit = "continue its answer", self.between_tokens
