"""cdk-nag runs at every synthesis, and finds nothing that is not acknowledged."""

from __future__ import annotations

import json
from collections.abc import Iterator

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs
from constructs import IConstruct

import app as application
from stacks.bundles import Bundles
from stacks.constructs.checks import acknowledge_wildcard
from tests.stacks.synthesis import ROOT, Synthesis, flags
from twin.settings import load

MOST_ACKNOWLEDGEMENTS = 10


def acknowledged(scope: IConstruct) -> Iterator[tuple[str, str, str]]:
    """Path, rule and reason of each acknowledgement at or below `scope`."""
    for construct in scope.node.find_all():
        for entry in construct.node.metadata:
            if entry.type == cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY:
                for rule, reason in dict(entry.data).items():
                    yield construct.node.path, str(rule), str(reason)


@pytest.fixture
def nag(synthesis: Synthesis) -> list[tuple[str, str, str]]:
    return [entry for entry in acknowledged(synthesis.root) if "AwsSolutions-" in entry[1]]


def test_at_most_ten_findings_are_acknowledged(nag: list[tuple[str, str, str]]) -> None:
    assert 0 < len(nag) <= MOST_ACKNOWLEDGEMENTS


def test_each_acknowledgement_names_its_own_risk(nag: list[tuple[str, str, str]]) -> None:
    for path, rule, reason in nag:
        assert len(reason) >= 60, (path, rule)
    by_rule = {(rule, reason) for _, rule, reason in nag}
    assert len(by_rule) >= len(nag) - 1


def test_no_acknowledgement_covers_a_whole_stack(nag: list[tuple[str, str, str]]) -> None:
    assert not [path for path, _, _ in nag if "/" not in path]


def test_report_holds_no_error_and_no_warning(synthesis: Synthesis) -> None:
    report = json.loads((synthesis.folder / "validation-report.json").read_text())
    assert [violation for plugin in report["pluginReports"] for violation in plugin["violations"]] == []


def test_composition_fails_on_a_finding(bundles: Bundles) -> None:
    app = cdk.App(context=flags(), analytics_reporting=False)
    application.compose(app, load(ROOT / "environments" / "local.yaml"), bundles)
    sqs.Queue(cdk.Stack(app, "careless"), "Queue")
    with pytest.raises(RuntimeError, match="AwsSolutions-SQS3"):
        app.synth()


def test_a_wildcard_of_an_unknown_shape_is_not_acknowledged() -> None:
    stack = cdk.Stack(cdk.App(), "stack")
    resource = cdk.Fn.join("-", cdk.Fn.get_azs())
    with pytest.raises(ValueError, match="is no reference that cdk-nag flattens"):
        acknowledge_wildcard(stack, resource, risk="none")
