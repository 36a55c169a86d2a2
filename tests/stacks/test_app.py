"""The composition root."""

from __future__ import annotations

import os
import subprocess
import sys

from stacks.naming import Outputs
from tests.stacks.synthesis import ENVIRONMENTS, NOUNS, ROOT, Synthesis


def test_every_environment_file_is_synthesized_by_these_tests() -> None:
    assert {path.stem for path in (ROOT / "environments").glob("*.yaml")} == set(ENVIRONMENTS)


def test_stacks_are_named_after_environment_and_noun(synthesis: Synthesis) -> None:
    name = synthesis.environment.name
    assert sorted(path.name for path in synthesis.folder.glob("*.template.json")) == sorted(
        f"twin-{name}-{noun}.template.json" for noun in NOUNS
    )


def test_every_output_that_tools_read_is_published_once(synthesis: Synthesis) -> None:
    keys = {value for name, value in vars(Outputs).items() if not name.startswith("_")}
    published = [
        key
        for template in synthesis.templates.values()
        for key in template.body.get("Outputs", {})
        if key in keys
    ]
    assert sorted(published) == sorted(keys)


def test_synthesis_looks_nothing_up(synthesis: Synthesis) -> None:
    manifest = (synthesis.folder / "manifest.json").read_text()
    assert '"missing"' not in manifest


def test_registry_has_one_group(synthesis: Synthesis) -> None:
    group = synthesis.registry.only("AWS::SageMaker::ModelPackageGroup")
    assert group["ModelPackageGroupName"] == f"twin-{synthesis.environment.name}-models"


def test_endpoint_is_not_exported(synthesis: Synthesis) -> None:
    """An export would keep the endpoint from being replaced while another stack imports it."""
    exports = [output for output in synthesis.realtime.body["Outputs"].values() if "Export" in output]
    assert exports == []


def test_unknown_environment_ends_with_one_message() -> None:
    variables = {**os.environ, "CDK_CONTEXT_JSON": '{"env": "prd"}'}
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "environments/prd.yaml: no such file; accepted: one of the environments dev, local, prod, staging"
    )
