"""Environments that do without one deployment type, or with realtime alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import aws_cdk as cdk
import pytest
from jobs import environment as jobs
from orchestrator import environment as orchestrator

import app as application
from stacks.bundles import Bundles
from tests.stacks.composition import Compose
from tests.stacks.synthesis import NOUNS, Synthesis, flags
from tests.stacks.templates import Template
from tests.stacks.test_environment_variables import text

ABSENT = [{"asynchronous"}, {"batch"}, {"asynchronous", "batch"}]
PRODUCERS = ("storage", "network", "registry", "jobs")
"""Stacks on which those of the deployment types build."""


@pytest.fixture(scope="module", params=ABSENT, ids=lambda nouns: "without-" + "-and-".join(sorted(nouns)))
def absent(request: pytest.FixtureRequest) -> set[str]:
    return set(request.param)


@pytest.fixture(scope="module", params=["prod", "local"])
def templates(
    request: pytest.FixtureRequest,
    absent: set[str],
    compose: Compose,
    synthesize: Callable[[str], Synthesis],
) -> Mapping[str, Template]:
    """Production, with functions in the network, and the local environment, with a webhook."""
    return compose(synthesize(request.param), dict.fromkeys(absent))


def test_there_is_no_stack_for_it(templates: Mapping[str, Template], absent: set[str]) -> None:
    assert set(templates) == set(NOUNS) - absent


KNOWN = {
    "asynchronous": r'twin-[a-z]+-asynchronous\b|"Action": "sagemaker:InvokeEndpointAsync"',
    "batch": r"twin-[a-z]+-batch\b|states:StartExecution|sagemaker:StopTransformJob",
}
"""How one that is there is known to the others: by its name, and by rights on it."""


def test_nothing_knows_what_is_not_there(templates: Mapping[str, Template], absent: set[str]) -> None:
    for missing in absent:
        known = [noun for noun, template in templates.items() if re.search(KNOWN[missing], template.text())]
        assert known == []


def test_what_is_there_is_known_to_the_api(synthesis: Synthesis) -> None:
    for pattern in KNOWN.values():
        assert len(set(re.findall(pattern, synthesis.api.text()))) >= 2


def test_functions_read_what_they_are_given(templates: Mapping[str, Template], absent: set[str]) -> None:
    def given(noun: str, path: str) -> dict[str, str]:
        found = templates[noun].at(f"{path}/Function")["Environment"]["Variables"]
        return {name: text(value) for name, value in found.items()}

    variables = given("api", "Orchestrator")
    assert set(variables) == orchestrator.Environment.variables() | orchestrator.WEB_ADAPTER_VARIABLES
    asked = orchestrator.Environment.read(variables)
    assert bool(asked.async_endpoint_name) is ("asynchronous" not in absent)
    assert bool(asked.batch_state_machine_arn) is ("batch" not in absent)
    swept = jobs.SweepEnvironment.read(given("jobs", "Sweeper"))
    assert bool(swept.batch_state_machine_arn) is ("batch" not in absent)


def test_a_section_that_is_taken_out_locks_no_stack(
    templates: Mapping[str, Template], synthesize: Callable[[str], Synthesis]
) -> None:
    """The stack of the type still stands then, and CloudFormation drops nothing that it imports."""
    whole = synthesize(templates["storage"].environment)
    for noun in PRODUCERS:
        before = set(whole.templates[noun].body.get("Outputs", {}))
        assert before <= set(templates[noun].body.get("Outputs", {})), noun


def test_every_import_is_exported(templates: Mapping[str, Template]) -> None:
    exported = {
        output["Export"]["Name"]
        for template in templates.values()
        for output in template.body.get("Outputs", {}).values()
        if "Export" in output
    }
    for noun, template in templates.items():
        imported = set(re.findall(r'"Fn::ImportValue": "([^"]+)"', template.text()))
        assert imported <= exported, noun


def test_checks_find_nothing(prod: Synthesis, absent: set[str], bundles: Bundles) -> None:
    root = cdk.App(context=flags(), analytics_reporting=False)
    environment = prod.environment.model_copy(update=dict.fromkeys(absent))
    application.compose(root, environment, bundles)
    assembly = root.synth()
    report = json.loads(Path(assembly.directory, "validation-report.json").read_text())
    assert [found for plugin in report["pluginReports"] for found in plugin["violations"]] == []
