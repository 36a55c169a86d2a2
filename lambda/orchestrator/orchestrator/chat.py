"""Answering a chat request: sources, prompt, model, and what the answer tells about its sources."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompting.errors import ModelNotFoundError
from prompting.prompt import Limits, Prompt, build_prompt

from orchestrator.errors import RetrievalUnavailableError, StreamBrokenError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from prompting.request import ChatRequest, Retrieval
    from retrieval import Passage

    from orchestrator.environment import Environment
    from orchestrator.jobs.adapters import JobAdapters
    from orchestrator.model import Model
    from orchestrator.pacing import Pace
    from orchestrator.search import Retriever
    from orchestrator.telemetry import Record, Telemetry
    from orchestrator.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Adapters:
    """What the service reaches outside itself."""

    model: Model
    retriever: Retriever
    telemetry: Telemetry
    tracing: Tracing
    jobs: JobAdapters


@dataclass(frozen=True, slots=True)
class Prepared:
    """The body for the model, and the response's fields beside OpenAI's."""

    body: dict[str, Any]
    about_sources: dict[str, Any]


class Chat:
    """Answers chat requests under one environment's settings."""

    def __init__(self, environment: Environment, adapters: Adapters, pace: Pace) -> None:
        self._environment = environment
        self._adapters = adapters
        self._pace = pace
        self._limits = Limits(
            context=environment.max_model_len,
            output=environment.max_output_tokens,
            sources=environment.retrieval_context_tokens,
        )

    async def prepare(self, request: ChatRequest, record: Record) -> Prepared:
        """Return what the model is to be asked. Raises `ApiError`."""
        prompt = await self._prompt(request, record)
        return Prepared(prompt.body(request), prompt.about_sources)

    def prepare_again(self, request: ChatRequest, sources: list[Passage]) -> Prepared:
        """Return what the model is to be asked with the sources that `prepare` found. Raises `ApiError`."""
        found = sources if request.retrieval.enabled else None
        prompt = build_prompt(request, self._environment.persona, found, self._limits)
        return Prepared(prompt.body(request), prompt.about_sources)

    async def complete(self, request: ChatRequest, record: Record) -> dict[str, Any]:
        """Return the chat completion. Raises `ApiError`."""
        prepared = await self.prepare(request, record)
        with self._adapters.tracing.stage("model"):
            answer = await self._pace.whole(self._adapters.model.complete(prepared.body))
        record.count_usage(answer.get("usage"))
        self._adapters.telemetry.content(record.request_id, answer=str(answer.get("choices")))
        return {**answer, **prepared.about_sources}

    async def stream(self, request: ChatRequest, record: Record) -> AsyncGenerator[dict[str, Any], None]:
        """Return the chunks once the first one is there. Raises `ApiError` here and from the chunks."""
        record.streamed = True
        prepared = await self.prepare(request, record)
        chunks = self._chunks(request, prepared.body, record)
        try:
            with self._adapters.tracing.stage("model"):
                first = await anext(chunks)
        except StopAsyncIteration:
            raise StreamBrokenError from None
        record.ttft_ms = record.elapsed_ms()
        return _with_first({**first, **prepared.about_sources}, chunks)

    async def _prompt(self, request: ChatRequest, record: Record) -> Prompt:
        if request.model != self._environment.model_id:
            message = f"The model '{request.model}' does not exist. Use '{self._environment.model_id}'."
            raise ModelNotFoundError(message)
        self._adapters.telemetry.content(record.request_id, question=request.question)
        found = await self._find(request, record)
        prompt = build_prompt(request, self._environment.persona, found, self._limits)
        record.sources, record.grounded = len(prompt.sources), prompt.grounded
        return prompt

    async def _find(self, request: ChatRequest, record: Record) -> list[Passage] | None:
        """The sources that are similar enough, or None where none are asked for."""
        if not request.retrieval.enabled:
            return None
        searches = request.searches
        if not searches:
            return []
        started = record.elapsed_ms()
        found: list[Passage] = []
        try:
            with self._adapters.tracing.stage("retrieve"):
                for text in searches:
                    if found := await self._search(text, request.retrieval):
                        break
        except RetrievalUnavailableError as error:
            if self._environment.retrieval_fallback == "fail":
                raise
            record.note(error)
        record.retrieval_ms = round(record.elapsed_ms() - started, 2)
        return found

    async def _search(self, text: str, retrieval: Retrieval) -> list[Passage]:
        """The passages that are similar enough to the text. Raises `ApiError`."""
        top_k = retrieval.top_k or self._environment.retrieval_top_k
        found = await self._adapters.retriever.search(text, top_k, retrieval.filter)
        return [source for source in found if source.score >= self._environment.retrieval_min_score]

    async def _chunks(
        self, request: ChatRequest, prompt: dict[str, Any], record: Record
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The model's chunks within their time limits; the usage chunk only if the client wants it.

        Usage is always asked of the model, for the metrics.
        """
        options = request.stream_options
        wanted = options is not None and options.include_usage
        asked = {**(options.model_dump(exclude_unset=True) if options else {}), "include_usage": True}
        body = {**prompt, "stream": True, "stream_options": asked}
        async with (
            aclosing(self._adapters.model.stream(body)) as answer,
            aclosing(self._pace.each(answer)) as paced,
        ):
            async for chunk in paced:
                record.count_usage(chunk.get("usage"))
                if chunk.get("choices") or wanted:
                    yield chunk


async def _with_first(
    first: dict[str, Any], rest: AsyncGenerator[dict[str, Any], None]
) -> AsyncGenerator[dict[str, Any], None]:
    async with aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk
