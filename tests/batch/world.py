"""A batch from its file to its end, on fakes: the steps in the state machine's order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from batch.augmentation import Augmented, Augmenter, Prompting
from batch.embeddings import Embeddings
from batch.endings import FileKind, file_id
from batch.finishing import Finished, Finisher
from batch.joining import Joined, join
from batch.preparation import prepare
from batch.sources import Finder, Rules
from batch.stores import Objects, Stores
from batch.validation import Limits, Validated, validate
from jobtable import keys
from jobtable.records import Record
from prompting import prompt
from prompting.persona import Persona
from retrieval import Passage

from tests.batch.fakes import FakeJobs, FakeObjects, FakeSources, FakeWebhooks, Meddling, NumberingEncoder
from tests.batch.variables import PERSONA

OWNER = "ada"
BATCH = "batch_" + "0123456789abcdef" * 2
INPUT = "file-" + "0" * 32
MODEL = "twin"

LIMITS = Limits(model=MODEL, max_lines=50_000, lines_per_shard=3, instances=2)
RULES = Rules(top_k=5, min_score=0.3, fallback="fail")

Model = Callable[[dict[str, Any]], Any]


def question(custom_id: str, text: str = "Why?", **more: Any) -> dict[str, Any]:
    """A line that is accepted; `more` goes into its body."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def file(*lines: Any) -> bytes:
    """A file of JSON Lines; texts and bytes stand for themselves."""
    parts = [
        line
        if isinstance(line, bytes)
        else line.encode()
        if isinstance(line, str)
        else json.dumps(line).encode()
        for line in lines
    ]
    return b"".join(part + b"\n" for part in parts)


def completion(body: dict[str, Any]) -> dict[str, Any]:
    """The model's answer, which repeats the last message."""
    message = {"role": "assistant", "content": f"Re: {body['messages'][-1]['content']}"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": choices}


def passage(document_id: str = "d", score: float = 0.9, **more: Any) -> Passage:
    return Passage(document_id=document_id, text=f"Text of {document_id}.", score=score, **more)


@dataclass
class World:
    """`objects` may be others than those in memory."""

    objects: Any = field(default_factory=FakeObjects)
    jobs: FakeJobs = field(default_factory=FakeJobs)
    webhooks: FakeWebhooks = field(default_factory=FakeWebhooks)
    encoder: NumberingEncoder = field(default_factory=NumberingEncoder)
    limits: Limits = LIMITS
    rules: Rules = RULES
    context_tokens: int = 4096
    max_line_bytes: int = 6_000_000
    now: int = 1_000
    in_time: int = 1_000_000
    sources: FakeSources = field(init=False)

    def __post_init__(self) -> None:
        self.sources = FakeSources(self.encoder)

    def meddle(self, meddling: Meddling) -> None:
        """Count the moments of all stores together, from now on."""
        self.objects.meddle = self.jobs.meddle = self.webhooks.meddle = meddling

    def stores(self) -> Stores:
        return Stores(self.objects, self.jobs, self.webhooks)

    def create(self, content: bytes | None, **more: Any) -> None:
        """Store the file and the record of a batch, as `POST /v1/batches` leaves them."""
        if content is not None:
            self.objects.upload(keys.file(OWNER, INPUT), content)
        record = {
            "owner": OWNER,
            "id": BATCH,
            "status": "validating",
            "input_file_id": INPUT,
            "created_at": 900,
            "expires_at": 900 + 86_400,
            "open": "batch",
            "due_at": 960,
            "client": "app",
        }
        self.jobs.put({**record, **more})

    def cancel(self) -> None:
        """What the cancel route does."""
        record = self.jobs.stored[OWNER, BATCH]
        if record["status"] in {"validating", "in_progress", "finalizing"}:
            record |= {"status": "cancelling", "cancelling_at": self.now}

    @property
    def batch(self) -> Record:
        return self.jobs.stored[OWNER, BATCH]

    def validate(self) -> Validated:
        return validate(self.stores(), self.limits, OWNER, BATCH, self.now)

    def augmenter(self) -> Augmenter:
        limits = prompt.Limits(context=self.context_tokens, output=512, sources=1500)
        prompting = Prompting(Persona.model_validate(PERSONA), limits, self.max_line_bytes)
        finder = Finder(Embeddings(lambda: self.encoder), self.sources, self.rules, threads=2)
        return Augmenter(self.jobs, self.objects, finder, prompting, self._out_of_time)

    def _out_of_time(self) -> bool:
        self.in_time -= 1
        return self.in_time < 0

    def augment(self, shard: int) -> Augmented:
        return self.augmenter().augment(OWNER, BATCH, shard)

    def prepare(self) -> bool:
        return prepare(self.stores(), OWNER, BATCH)

    def transform(self, model: Model = completion, shards: int | None = None) -> None:
        """The transform job, which stops after some shards where that is said."""
        transform(self.objects, model, shards)

    def join(self, failure: str | None = None) -> Joined:
        return join(self.stores(), OWNER, BATCH, failure, self.now)

    def finish(self, failure: str | None = None, counts: Mapping[str, int] | None = None) -> Finished:
        return Finisher(self.stores(), 30, self.now).finish(OWNER, BATCH, failure, counts)

    def run(self, model: Model = completion) -> None:
        """All steps, one after another, none of which fails."""
        validated = self.validate()
        if not validated.valid:
            return
        for shard in range(validated.shards):
            self.augment(shard)
        if self.prepare():
            self.transform(model)
        self.finish(None, self.join().counts())

    def file(self, kind: FileKind) -> list[dict[str, Any]]:
        """The lines of the output or error file, none where it does not exist."""
        return self.lines(keys.file(OWNER, file_id(BATCH, kind)))

    def lines(self, key: str) -> list[dict[str, Any]]:
        content = self.objects.read(key)
        return [] if content is None else list(map(json.loads, b"".join(content.chunks()).splitlines()))


def transform(objects: Objects, model: Model, shards: int | None = None) -> None:
    """Answer each line of the transform job's input, as its filters and join have it."""
    for key in objects.keys(keys.transform_input(BATCH))[:shards]:
        content = objects.read(key)
        assert content is not None
        name = key.rsplit("/", 1)[1]
        with objects.writer(f"{keys.transform_output(BATCH)}{name}.out") as writer:
            # One object is in memory: a shard of a few lines.
            for line in b"".join(content.chunks()).splitlines():
                asked = json.loads(line)
                answered = {"line": asked["line"], "SageMakerOutput": model(asked["body"])}
                writer.write(json.dumps(answered).encode() + b"\n")
