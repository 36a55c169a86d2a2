"""The templates set exactly the variables that the functions' typed models read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from batch import environment as batch
from ingestion import environment as ingestion
from jobs import environment as jobs
from orchestrator import environment as orchestrator

from tests.stacks.composition import Compose
from tests.stacks.synthesis import Synthesis
from tests.stacks.test_functions import FUNCTIONS

COMMON = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "LOG_LEVEL",
    "TWIN_ENVIRONMENT",
}


def variables(synthesis: Synthesis, noun: str, path: str) -> dict[str, str]:
    """A function's variables, with a name in place of what only CloudFormation knows."""
    found: dict[str, Any] = synthesis.templates[noun].at(f"{path}/Function")["Environment"]["Variables"]
    return {name: text(value) for name, value in found.items()}


def text(value: Any) -> str:
    match value:
        case str():
            return value
        case {"Fn::Join": ["", list(parts)]}:
            return "".join(map(text, parts))
        case _:
            return "known-at-deploy"


def test_orchestrator_reads_what_the_template_sets(synthesis: Synthesis) -> None:
    given = variables(synthesis, "api", "Orchestrator")
    assert set(given) == orchestrator.Environment.variables() | orchestrator.WEB_ADAPTER_VARIABLES


def test_orchestrators_model_accepts_the_values(synthesis: Synthesis) -> None:
    read = orchestrator.Environment.read(variables(synthesis, "api", "Orchestrator"))
    settings = synthesis.environment
    assert read.twin_environment == settings.name
    assert read.persona.model_dump() == settings.persona.model_dump()
    assert read.retrieval_min_score == settings.retrieval.min_score
    assert read.model_timeout_seconds == settings.api.model_timeout_seconds
    assert read.log_content is settings.api.log_content
    assert read.endpoint_name == f"twin-{settings.name}-realtime"


def test_ingestion_reads_what_the_template_sets(synthesis: Synthesis) -> None:
    given = variables(synthesis, "ingestion", "Ingestion")
    assert set(given) == ingestion.Environment.variables()
    assert ingestion.Environment.read(given).vector_index_name == "corpus"


def test_authorizer_gets_the_common_variables_alone(synthesis: Synthesis) -> None:
    assert set(variables(synthesis, "api", "Authorizer")) == COMMON


@pytest.mark.parametrize(
    ("noun", "path", "model"),
    [
        ("asynchronous", "Outcomes", jobs.OutcomesEnvironment),
        ("jobs", "Sweeper", jobs.SweepEnvironment),
        ("jobs", "Notifier", jobs.WebhooksEnvironment),
    ],
)
def test_functions_of_jobs_read_what_the_template_sets(
    synthesis: Synthesis, noun: str, path: str, model: type[jobs.Common]
) -> None:
    given = variables(synthesis, noun, path)
    assert set(given) == model.variables()
    assert model.read(given).twin_environment == synthesis.environment.name


@pytest.mark.parametrize(
    ("path", "model"), [("Steps", batch.StepsEnvironment), ("Augment", batch.AugmentEnvironment)]
)
def test_functions_of_batches_read_what_the_template_sets(
    synthesis: Synthesis, path: str, model: type[batch.StepsEnvironment | batch.AugmentEnvironment]
) -> None:
    given = variables(synthesis, "batch", path)
    assert set(given) == model.variables()
    assert model.read(given).twin_environment == synthesis.environment.name


def test_functions_know_the_webhooks_of_the_settings(synthesis: Synthesis) -> None:
    webhooks = synthesis.environment.jobs.webhooks
    notifier = jobs.WebhooksEnvironment.read(variables(synthesis, "jobs", "Notifier"))
    assert {client: webhook.url for client, webhook in notifier.webhooks.items()} == webhooks
    clients = json.loads(variables(synthesis, "api", "Orchestrator")["WEBHOOK_CLIENTS"])
    assert set(clients.values()) == set(webhooks)


def test_orchestrator_knows_how_jobs_run(synthesis: Synthesis) -> None:
    given, settings = variables(synthesis, "api", "Orchestrator"), synthesis.environment
    assert settings.asynchronous is not None
    assert {name: given[name] for name in given if name.startswith(("ASYNC_", "JOB_", "BATCH_"))} == {
        "JOB_RETENTION_DAYS": str(settings.jobs.retention_days),
        "ASYNC_ENDPOINT_NAME": f"twin-{settings.name}-asynchronous",
        "ASYNC_REQUEST_TTL_SECONDS": str(settings.asynchronous.request_ttl_seconds),
        "ASYNC_INVOCATION_TIMEOUT_SECONDS": str(settings.asynchronous.invocation_timeout_seconds),
        "BATCH_STATE_MACHINE_ARN": (
            f"arn:aws:states:us-east-1:{settings.account}:stateMachine:twin-{settings.name}-batch"
        ),
    }


def test_orchestrators_model_accepts_an_environment_with_realtime_alone(
    prod: Synthesis, compose: Compose
) -> None:
    template = compose(prod, {"asynchronous": None, "batch": None})["api"]
    found = template.at("Orchestrator/Function")["Environment"]["Variables"]
    read = orchestrator.Environment.read({name: text(value) for name, value in found.items()})
    assert read.async_endpoint_name == read.batch_state_machine_arn == ""
    assert read.async_request_ttl_seconds is None


@pytest.mark.parametrize(("noun", "path"), FUNCTIONS)
def test_every_function_gets_the_common_variables(synthesis: Synthesis, noun: str, path: str) -> None:
    given = variables(synthesis, noun, path)
    assert set(given) >= COMMON
    assert given["POWERTOOLS_METRICS_NAMESPACE"] == "LlmTwin"


def test_persona_is_json(synthesis: Synthesis) -> None:
    given = variables(synthesis, "api", "Orchestrator")
    assert json.loads(given["PERSONA"])["name"] == synthesis.environment.persona.name
