"""What holds for every function."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.constructs.python_function import ARCHITECTURE, RUNTIME
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import Template
from twin.bundling import Target

LIMIT = 4096
"""Bytes that a function's environment may hold: names and values."""


PLACES = {
    "jobs": ("Notifier", "Sweeper"),
    "asynchronous": ("Outcomes",),
    "batch": ("Steps", "Augment"),
    "ingestion": ("Ingestion",),
    "api": ("Orchestrator", "Authorizer"),
}
FUNCTIONS = [(noun, path) for noun, paths in PLACES.items() for path in paths]
OUTSIDE = {"Authorizer", "Notifier"}
"""The authorizer calls nothing; the notifier calls clients, to whom the network has no way."""


def functions(synthesis: Synthesis) -> list[dict[str, Any]]:
    return [synthesis.templates[noun].at(f"{path}/Function") for noun, path in FUNCTIONS]


def shares_rights(template: Template, path: str) -> bool:
    """Whether the function's role has the policy of all functions."""
    policies = template.at(f"{path}/Role").get("ManagedPolicyArns", [])
    return "FunctionRights" in json.dumps(policies)


def test_there_are_no_other_functions_and_no_custom_resource(synthesis: Synthesis) -> None:
    for noun, template in synthesis.templates.items():
        assert len(template.resources("AWS::Lambda::Function")) == len(PLACES.get(noun, ()))
        assert "Custom::" not in template.text()
        assert "AWS::CloudFormation::CustomResource" not in template.text()


@pytest.mark.parametrize(("noun", "path"), FUNCTIONS)
def test_functions_are_named_after_their_bundle(synthesis: Synthesis, noun: str, path: str) -> None:
    function = synthesis.templates[noun].at(f"{path}/Function")
    bundle = "jobs" if noun == "asynchronous" else path.lower() if noun in {"ingestion", "api"} else noun
    assert function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == bundle


def test_functions_run_on_arm64(synthesis: Synthesis) -> None:
    assert {tuple(function["Architectures"]) for function in functions(synthesis)} == {("arm64",)}


def test_runtime_and_bundles_are_for_the_same_python() -> None:
    assert f"python{Target.aws().python}" == RUNTIME.name
    assert ARCHITECTURE.name == "arm64"
    assert str(Target.aws().platform).startswith("aarch64-")


def test_functions_write_to_their_own_encrypted_expiring_logs(synthesis: Synthesis) -> None:
    for noun in PLACES:
        template = synthesis.templates[noun]
        groups = template.resources("AWS::Logs::LogGroup")
        for group in groups.values():
            assert group["Properties"]["RetentionInDays"] == synthesis.environment.logs.retention_days
            assert "EncryptionKey" in group["Properties"]["KmsKeyId"]["Fn::ImportValue"]
        for function in template.properties("AWS::Lambda::Function"):
            assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


@pytest.mark.parametrize(("noun", "path"), [place for place in FUNCTIONS if place[1] != "Authorizer"])
def test_functions_that_do_work_are_traced(synthesis: Synthesis, noun: str, path: str) -> None:
    template = synthesis.templates[noun]
    assert template.at(f"{path}/Function")["TracingConfig"] == {"Mode": "Active"}
    assert shares_rights(template, path)


def test_rights_without_a_resource_are_granted_in_one_place(synthesis: Synthesis) -> None:
    [statement] = synthesis.network.at("FunctionRights/Policy")["PolicyDocument"]["Statement"]
    actions = set(statement["Action"])
    assert {"xray:PutTelemetryRecords", "xray:PutTraceSegments"} <= actions
    assert ("ec2:CreateNetworkInterface" in actions) is synthesis.environment.network.private_functions
    assert {action.partition(":")[0] for action in actions} <= {"xray", "ec2"}
    for noun, path in FUNCTIONS:
        for entry in synthesis.templates[noun].statements(f"{path}/Role"):
            assert entry["Resource"] != "*", path


def test_authorizer_may_only_write_its_log(synthesis: Synthesis) -> None:
    [statement] = synthesis.api.statements("Authorizer/Role")
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert "VpcConfig" not in synthesis.api.at("Authorizer/Function")
    assert not shares_rights(synthesis.api, "Authorizer")


@pytest.mark.parametrize(("noun", "path"), FUNCTIONS)
def test_functions_are_private_where_the_settings_say_so(synthesis: Synthesis, noun: str, path: str) -> None:
    private = synthesis.environment.network.private_functions and path not in OUTSIDE
    assert ("VpcConfig" in synthesis.templates[noun].at(f"{path}/Function")) is private


def test_environment_fits_lambdas_limit(synthesis: Synthesis) -> None:
    for function in functions(synthesis):
        variables = function["Environment"]["Variables"]
        size = sum(
            len(name) + len(value if isinstance(value, str) else "x" * 64)
            for name, value in variables.items()
        )
        assert size < LIMIT
