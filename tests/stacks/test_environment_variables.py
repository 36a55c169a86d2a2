"""The templates set exactly the variables that the functions' typed models read."""

from __future__ import annotations

import json
from typing import Any

from ingestion import environment as ingestion
from orchestrator import environment as orchestrator

from tests.stacks.synthesis import Synthesis

COMMON = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "LOG_LEVEL",
    "TWIN_ENVIRONMENT",
}


def variables(synthesis: Synthesis, noun: str, path: str) -> dict[str, str]:
    """A function's variables, with a name in place of what only CloudFormation knows."""
    found: dict[str, Any] = synthesis.templates[noun].at(f"{path}/Function")["Environment"]["Variables"]
    return {name: value if isinstance(value, str) else "known-at-deploy" for name, value in found.items()}


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


def test_every_function_gets_the_common_variables(synthesis: Synthesis) -> None:
    for noun, path in (("api", "Orchestrator"), ("api", "Authorizer"), ("ingestion", "Ingestion")):
        given = variables(synthesis, noun, path)
        assert set(given) >= COMMON
        assert given["POWERTOOLS_SERVICE_NAME"] == path.lower()
        assert given["POWERTOOLS_METRICS_NAMESPACE"] == "LlmTwin"


def test_persona_is_json(synthesis: Synthesis) -> None:
    given = variables(synthesis, "api", "Orchestrator")
    assert json.loads(given["PERSONA"])["name"] == synthesis.environment.persona.name
