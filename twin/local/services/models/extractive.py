"""The default model of the local cloud: no language model, sentences quoted from the prompt's sources.

The same prompt always gets the same answer. It paces its tokens like a model server would, so that
streaming, timeouts and concurrency can be exercised and measured without a GPU.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from twin.local.services.models.chat import ChatMessage
from twin.local.services.models.sources import Source, best_quotes, closest_quote, parse_sources
from twin.local.services.models.tokens import TOKENS_PER_MESSAGE, count_tokens, split_tokens

MODEL_NAME = "extractive-stand-in"

NO_SOURCES = (
    "I am a stand-in without a language model: I can only quote sources, and this request came with none."
)
NOT_DIRECTLY = "No sentence of the sources answers this directly; the closest says:"
NO_FIT = "None of the sources I was given answers this question."


def compose_answer(messages: Sequence[ChatMessage]) -> str:
    """The answer to the last user message, quoted from the sources in the system messages."""
    prompt = "\n".join(message.text for message in messages if message.role in ("system", "developer"))
    question = next((message.text for message in reversed(messages) if message.role == "user"), "")
    sources: Sequence[Source] = parse_sources(prompt)
    if not sources:
        return NO_SOURCES
    quotes = best_quotes(question, sources)
    if not quotes:
        closest = closest_quote(question, sources)
        return f"{NOT_DIRECTLY} {closest.sentence} [{closest.source_id}]" if closest else NO_FIT
    return "The sources say: " + " ".join(f"{quote.sentence} [{quote.source_id}]" for quote in quotes)


class ExtractiveModel:
    """Chat model that tells the tokens of `compose_answer`.

    Token `i` (from 0) is ready `time_to_first_token_ms + i * inter_token_latency_ms` after the start of
    generation.
    """

    name = MODEL_NAME

    def __init__(self, time_to_first_token_ms: float, inter_token_latency_ms: float) -> None:
        self._first = time_to_first_token_ms / 1000
        self._next = inter_token_latency_ms / 1000

    def count(self, messages: Sequence[ChatMessage]) -> int:
        return sum(count_tokens(message.text) + TOKENS_PER_MESSAGE for message in messages)

    async def generate(self, messages: Sequence[ChatMessage], limit: int) -> AsyncIterator[str]:
        for token in split_tokens(compose_answer(messages))[:limit]:
            yield token

    def ready_after(self, number: int) -> float:
        return self._first + number * self._next
