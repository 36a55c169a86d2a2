"""Queues and the functions that work them off agree on how a message that failed comes again."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.ingestion import variables as ingestion
from tests.jobs import variables as jobs
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Json, with_action


@dataclass(frozen=True)
class Reader:
    """A function, the queue that it works off, and how it finds it."""

    module: str
    variables: Mapping[str, str]
    stack: str
    path: str
    variable: str
    queue_stack: str
    queue: str


OUTCOMES = Reader(
    "jobs.outcomes",
    jobs.OUTCOMES,
    "asynchronous",
    "Outcomes",
    "OUTCOME_QUEUE_URL",
    "asynchronous",
    "Feed/Outcomes/Messages",
)
WEBHOOKS = Reader(
    "jobs.webhooks", jobs.WEBHOOKS, "jobs", "Notifier", "WEBHOOK_QUEUE_URL", "jobs", "Webhooks/Messages"
)
INGESTION = Reader(
    "ingestion.handler",
    ingestion.VARIABLES,
    "ingestion",
    "Ingestion",
    "CHANGE_QUEUE_URL",
    "storage",
    "CorpusChanges/Changes",
)
READERS = pytest.mark.parametrize(
    "reader", [OUTCOMES, WEBHOOKS, INGESTION], ids=lambda reader: str(reader.module)
)


def mentions(value: Json, logical_id: str) -> bool:
    """Whether a value refers to a resource, of its own stack or by an import."""
    return logical_id in json.dumps(value)


@READERS
def test_a_function_may_postpone_the_messages_of_its_own_queue(synthesis: Synthesis, reader: Reader) -> None:
    template = synthesis.templates[reader.stack]
    queue, _ = synthesis.templates[reader.queue_stack].find(reader.queue)
    found = template.at(f"{reader.path}/Function")["Environment"]["Variables"][reader.variable]
    assert mentions(found, queue)
    allowed = with_action(template.statements(f"{reader.path}/Role"), "sqs:ChangeMessageVisibility")
    assert mentions(allowed["Resource"], queue)


@pytest.mark.parametrize("reader", [OUTCOMES, INGESTION], ids=lambda reader: str(reader.module))
def test_the_network_lets_messages_be_postponed(prod: Synthesis, reader: Reader) -> None:
    assert "VpcConfig" in prod.templates[reader.stack].at(f"{reader.path}/Function")
    [endpoint] = [
        endpoint
        for endpoint in prod.network.properties("AWS::EC2::VPCEndpoint")
        if str(endpoint["ServiceName"]).endswith(".sqs")
    ]
    [statement] = endpoint["PolicyDocument"]["Statement"]
    assert set(statement["Action"]) == {"sqs:ChangeMessageVisibility", "sqs:SendMessage"}


@READERS
def test_a_message_is_tried_for_most_of_an_hour_before_it_is_set_aside(
    synthesis: Synthesis, monkeypatch: pytest.MonkeyPatch, reader: Reader
) -> None:
    """Even where chance makes every pause as short as can be."""
    for name, value in reader.variables.items():
        monkeypatch.setenv(name, value)
    backoff = importlib.import_module(reader.module).BACKOFF
    queue = synthesis.templates[reader.queue_stack].at(reader.queue)
    attempts = queue["RedrivePolicy"]["maxReceiveCount"]
    assert sum(backoff.seconds(receives, 0) for receives in range(1, attempts)) >= 45 * 60
