"""Stand-ins for what the orchestrator reaches outside itself."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from orchestrator.environment import Environment
from orchestrator.errors import StreamBrokenError
from retrieval import Passage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from orchestrator.telemetry import Record

MODEL = "twin-test"
PERSONA = {
    "name": "Ada",
    "instructions": "Write plainly.",
    "citation_instructions": "Cite sources like [1].",
    "ungrounded_instructions": "Say that no source was found.",
}
VARIABLES = {
    "TWIN_ENVIRONMENT": "test",
    "POWERTOOLS_SERVICE_NAME": "orchestrator",
    "POWERTOOLS_METRICS_NAMESPACE": "LlmTwin",
    "LOG_LEVEL": "INFO",
    "LOG_CONTENT": "false",
    "MODEL_ID": MODEL,
    "ENDPOINT_NAME": "twin-test-realtime",
    "INFERENCE_COMPONENT_NAME": "twin-test-realtime-model",
    "MAX_MODEL_LEN": "4096",
    "MAX_OUTPUT_TOKENS": "512",
    "MODEL_TIMEOUT_SECONDS": "5",
    "VECTOR_BUCKET_NAME": "vectors",
    "VECTOR_INDEX_NAME": "corpus",
    "RETRIEVAL_TOP_K": "4",
    "RETRIEVAL_CONTEXT_TOKENS": "1024",
    "RETRIEVAL_MIN_SCORE": "0.25",
    "RETRIEVAL_FALLBACK": "fail",
    "PERSONA": json.dumps(PERSONA),
    "JOBS_TABLE_NAME": "jobs",
    "EXCHANGE_BUCKET_NAME": "exchange",
    "JOB_RETENTION_DAYS": "7",
    "ASYNC_ENDPOINT_NAME": "twin-test-asynchronous",
    "ASYNC_REQUEST_TTL_SECONDS": "3600",
    "ASYNC_INVOCATION_TIMEOUT_SECONDS": "900",
    "BATCH_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:twin-test-batch",
    "WEBHOOK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/webhooks",
    "WEBHOOK_CLIENTS": '{"hooked": "ada"}',
}


def environment(**changes: str) -> Environment:
    return Environment.read({**VARIABLES, **changes})


def chunk(**fields: Any) -> dict[str, Any]:
    """A chunk as vLLM sends it, without choices unless `fields` has some."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [],
        **fields,
    }


def delta(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return chunk(choices=[choice])


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
CHUNKS = (delta("Grüße "), delta("from "), delta("Ada [1].", "stop"), chunk(usage=USAGE))
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Grüße from Ada [1]."},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}


@dataclass(frozen=True)
class Pause:
    """A silence of the model, in seconds."""

    seconds: float


@dataclass
class FakeModel:
    """Plays `script`: chunks, pauses and failures. A script that ends without `complete` breaks off."""

    script: Sequence[dict[str, Any] | Pause | Exception] = CHUNKS
    answer: dict[str, Any] = field(default_factory=lambda: COMPLETION)
    complete_script: bool = True
    bodies: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0
    was_closed: threading.Event = field(default_factory=threading.Event)

    async def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        try:
            for step in self.script:
                await _play(step)
        finally:
            self.closed += 1
            self.was_closed.set()
        return self.answer

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        self.bodies.append(body)
        try:
            for step in self.script:
                await _play(step)
                if isinstance(step, dict):
                    yield step
        finally:
            self.closed += 1
            self.was_closed.set()
        if not self.complete_script:
            raise StreamBrokenError


async def _play(step: dict[str, Any] | Pause | Exception) -> None:
    if isinstance(step, Exception):
        raise step
    if isinstance(step, Pause):
        await asyncio.sleep(step.seconds)


PASSAGES = (
    Passage(
        "essays/1", "Copies are cheap.", 0.9, "On copies", "https://ada.example/copies", "Ada", "essay", "en"
    ),
    Passage("notes/2", "Tokens stream.", 0.5),
    Passage("notes/3", "Off topic.", 0.1),
)


@dataclass
class FakeRetriever:
    passages: Sequence[Passage] = PASSAGES
    passages_for: dict[str, Sequence[Passage]] = field(default_factory=dict)
    failure: Exception | None = None
    searches: list[tuple[str, int, dict[str, Any] | None]] = field(default_factory=list)

    async def search(
        self, question: str, top_k: int, metadata_filter: dict[str, Any] | None
    ) -> list[Passage]:
        self.searches.append((question, top_k, metadata_filter))
        if self.failure is not None:
            raise self.failure
        return list(self.passages_for.get(question, self.passages)[:top_k])


@dataclass
class FakeTelemetry:
    records: list[Record] = field(default_factory=list)
    contents: list[dict[str, str]] = field(default_factory=list)

    def request_ended(self, record: Record) -> None:
        self.records.append(replace(record))

    def content(self, request_id: str, **texts: str) -> None:
        self.contents.append({"request_id": request_id, **texts})


@dataclass
class FakeTracing:
    stages: list[str] = field(default_factory=list)

    def load(self) -> None:
        pass

    def start(self, headers: Mapping[str, str]) -> None:
        pass

    def stage(self, name: str) -> AbstractContextManager[Any]:
        self.stages.append(name)
        return nullcontext()
