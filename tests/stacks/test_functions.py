"""What holds for every function."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.constructs.python_function import ARCHITECTURE, RUNTIME
from tests.stacks.synthesis import Synthesis
from tests.stacks.templates import with_action
from twin.bundling import Target

LIMIT = 4096
"""Bytes that a function's environment may hold: names and values."""


def functions(synthesis: Synthesis) -> list[dict[str, Any]]:
    return [
        *synthesis.ingestion.properties("AWS::Lambda::Function"),
        *synthesis.api.properties("AWS::Lambda::Function"),
    ]


def test_there_are_three_functions_and_no_custom_resource(synthesis: Synthesis) -> None:
    services = [
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for function in functions(synthesis)
    ]
    assert services == ["ingestion", "orchestrator", "authorizer"]
    for template in synthesis.templates.values():
        assert "Custom::" not in template.text()
        assert "AWS::CloudFormation::CustomResource" not in template.text()


def test_functions_run_on_arm64(synthesis: Synthesis) -> None:
    assert {tuple(function["Architectures"]) for function in functions(synthesis)} == {("arm64",)}


def test_runtime_and_bundles_are_for_the_same_python() -> None:
    assert f"python{Target.aws().python}" == RUNTIME.name
    assert ARCHITECTURE.name == "arm64"
    assert str(Target.aws().platform).startswith("aarch64-")


def test_functions_write_to_their_own_encrypted_expiring_logs(synthesis: Synthesis) -> None:
    for template in (synthesis.ingestion, synthesis.api):
        groups = template.resources("AWS::Logs::LogGroup")
        for group in groups.values():
            assert group["Properties"]["RetentionInDays"] == synthesis.environment.logs.retention_days
            assert "EncryptionKey" in group["Properties"]["KmsKeyId"]["Fn::ImportValue"]
        for function in template.properties("AWS::Lambda::Function"):
            assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


@pytest.mark.parametrize(("noun", "path"), [("ingestion", "Ingestion"), ("api", "Orchestrator")])
def test_functions_that_do_work_are_traced(synthesis: Synthesis, noun: str, path: str) -> None:
    template = synthesis.templates[noun]
    assert template.at(f"{path}/Function")["TracingConfig"] == {"Mode": "Active"}
    assert with_action(template.statements(f"{path}/Role"), "xray:PutTraceSegments")["Resource"] == "*"


def test_authorizer_may_only_write_its_log(synthesis: Synthesis) -> None:
    [statement] = synthesis.api.statements("Authorizer/Role")
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert "VpcConfig" not in synthesis.api.at("Authorizer/Function")


def test_functions_are_private_where_the_settings_say_so(synthesis: Synthesis) -> None:
    private = synthesis.environment.network.private_functions
    for template, path in ((synthesis.ingestion, "Ingestion"), (synthesis.api, "Orchestrator")):
        assert ("VpcConfig" in template.at(f"{path}/Function")) is private
        actions = json.dumps(template.statements(f"{path}/Role"))
        assert ("ec2:CreateNetworkInterface" in actions) is private


def test_environment_fits_lambdas_limit(synthesis: Synthesis) -> None:
    for function in functions(synthesis):
        variables = function["Environment"]["Variables"]
        size = sum(
            len(name) + len(value if isinstance(value, str) else "x" * 64)
            for name, value in variables.items()
        )
        assert size < LIMIT
