"""cfn-lint finds nothing in any template."""

from __future__ import annotations

import json

import pytest
from cfnlint import decode
from cfnlint.config import ConfigMixIn
from cfnlint.runner import Runner
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tests.stacks.synthesis import NOUNS, Synthesis
from twin.settings.regions import IMAGE_PUBLISHERS

IGNORED = {
    "W3005": "CDK's functions wait for their role beside referring to it: redundant, not wrong.",
    "W3010": "The settings name the zones, since GPU types are not offered in every zone of a region.",
}


@pytest.fixture(scope="module")
def linter() -> Runner:
    """All rules, also the informational ones; loading them takes longer than a template does."""
    return Runner(ConfigMixIn(regions=["us-east-1"], include_checks=["I"], ignore_checks=list(IGNORED)))


def findings(linter: Runner, template: str) -> list[str]:
    decoded, errors = decode.decode_str(template)
    assert decoded is not None, errors
    return [f"{found.rule.id} {found.message}" for found in linter.validate_template(decoded)]


@pytest.mark.parametrize("noun", NOUNS)
def test_template_has_no_finding(synthesis: Synthesis, noun: str, linter: Runner) -> None:
    assert findings(linter, synthesis.templates[noun].text()) == []


def test_linter_would_find_something(linter: Runner) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"Colour": "red"}}
    [found] = findings(linter, json.dumps({"Resources": {"Bucket": bucket}}))
    assert "Colour" in found


@pytest.mark.parametrize("region", IMAGE_PUBLISHERS)
def test_every_region_of_the_settings_has_every_resource(
    region: str, dev: Synthesis, prod: Synthesis
) -> None:
    used = {
        resource["Type"]
        for synthesis in (dev, prod)
        for template in synthesis.templates.values()
        for resource in template.body["Resources"].values()
    }
    assert used - set(PROVIDER_SCHEMA_MANAGER.get_resource_types(region)) == set()
