"""A line of a batch becomes what the realtime service would ask the model, or the same error."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any, Literal

from batch.augmentation import Augmenter, Prompting
from batch.embeddings import Embeddings
from batch.sources import Finder, Rules
from hypothesis import given
from hypothesis import strategies as st
from jobtable import keys
from orchestrator.chat import Adapters, Chat
from orchestrator.environment import Environment
from orchestrator.errors import RetrievalUnavailableError
from orchestrator.pacing import Pace
from orchestrator.telemetry import Record
from prompting.errors import ApiError
from prompting.parsing import parse_request
from prompting.prompt import Limits
from retrieval import Passage

from tests.batch.world import BATCH, OWNER, World, file, passage, question
from tests.orchestrator.fake_jobs import FakeJobs
from tests.orchestrator.fakes import (
    MODEL,
    FakeModel,
    FakeRetriever,
    FakeTelemetry,
    FakeTracing,
    environment,
)

Fallback = Literal["fail", "ungrounded"]

TEXTS = st.sampled_from(["Why?", "And then?", "", "LONG " * 5000])
ROLES = st.sampled_from(["user", "user", "assistant", "system"])
MESSAGES = st.lists(st.builds(lambda role, text: {"role": role, "content": text}, ROLES, TEXTS), min_size=1)
RETRIEVALS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "top_k": st.integers(1, 3),
        "filter": st.just({"author": "ada", "kind": "essay"}),
    },
)
BODIES = st.fixed_dictionaries(
    {"messages": MESSAGES},
    optional={
        "retrieval": RETRIEVALS,
        "max_tokens": st.sampled_from([5, 512, 9999]),
        "temperature": st.just(0.5),
        "stop": st.just(["\n"]),
    },
)
SOURCES = st.lists(
    st.builds(
        passage, st.sampled_from("abc"), st.sampled_from([0.1, 0.25, 0.9]), url=st.none() | st.just("u")
    ),
    max_size=5,
)
FOUND = st.dictionaries(st.sampled_from(["Why?", "And then?", "And then?\nWhy?"]), SOURCES)


def in_realtime(
    settings: Environment, body: dict[str, Any], found: dict[str, list[Passage]], *, down: bool
) -> tuple[Any, Any]:
    """The model's request and what is told of the sources, or the error's code and nothing."""
    failure = RetrievalUnavailableError() if down else None
    retriever = FakeRetriever((), dict(found), failure)
    jobs = FakeJobs().adapters
    adapters = Adapters(FakeModel(), retriever, FakeTelemetry(), FakeTracing(), jobs)
    chat = Chat(settings, adapters, Pace(5))
    request = parse_request(json.dumps(body).encode())
    try:
        prepared = asyncio.run(chat.prepare(request, Record("r", "POST", "/")))
    except ApiError as error:
        return error.code, None
    return prepared.body, prepared.about_sources


def in_a_batch(
    settings: Environment, bodies: list[dict[str, Any]], found: dict[str, list[Passage]], *, down: bool
) -> list[tuple[Any, Any]]:
    world = World()
    world.limits = replace(world.limits, model=MODEL, lines_per_shard=1000, instances=1)
    world.sources.found, world.sources.down = found, down
    world.create(file(*(question(str(number), **body) for number, body in enumerate(bodies))))
    world.validate()
    rules = Rules(settings.retrieval_top_k, settings.retrieval_min_score, settings.retrieval_fallback)
    limits = Limits(
        context=settings.max_model_len,
        output=settings.max_output_tokens,
        sources=settings.retrieval_context_tokens,
    )
    finder = Finder(Embeddings(lambda: world.encoder), world.sources, rules, threads=2)
    prompting = Prompting(settings.persona, limits, 6_000_000)
    Augmenter(world.jobs, world.objects, finder, prompting, lambda: False).augment(OWNER, BATCH, 0)
    requests = {line["line"]: line["body"] for line in world.lines(keys.transform_shard(BATCH, 0))}
    return [
        (requests[line["line"]], line["about"]) if "about" in line else (line["error"]["code"], None)
        for line in world.lines(keys.context(BATCH, 0))
    ]


@given(
    st.lists(BODIES, min_size=1, max_size=5),
    FOUND,
    st.booleans(),
    st.sampled_from(["fail", "ungrounded"]),
)
def test_a_line_becomes_what_the_realtime_service_would_ask(
    bodies: list[dict[str, Any]], found: dict[str, list[Passage]], down: bool, fallback: Fallback
) -> None:
    settings = environment(RETRIEVAL_FALLBACK=fallback)
    asked = [{"model": MODEL, **body} for body in bodies]
    expected = [in_realtime(settings, body, found, down=down) for body in asked]
    assert in_a_batch(settings, asked, found, down=down) == expected
