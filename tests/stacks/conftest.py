"""Every environment is synthesized once for all tests, in process, with bundles that hold one small file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

import app as application
from stacks.bundles import Bundle, Bundles
from stacks.naming import Names
from tests.stacks.composition import Compose
from tests.stacks.synthesis import ENVIRONMENTS, NOUNS, ROOT, Synthesis, flags
from tests.stacks.templates import Template
from twin.settings import load

BUNDLED = ("orchestrator", "authorizer", "ingestion", "retrieval", "jobs", "batch")
Synthesize = Callable[[str], Synthesis]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="write the snapshots anew")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    folder = tmp_path_factory.mktemp("bundles")
    made = {}
    for digit, noun in enumerate(BUNDLED, start=1):
        (folder / noun).mkdir()
        (folder / noun / "content").write_text(noun)
        made[noun] = Bundle(folder / noun, str(digit) * 64)
    return Bundles(**made)


@pytest.fixture(scope="session")
def synthesize(bundles: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesizes an environment by name, once."""

    @cache
    def synthesis(name: str) -> Synthesis:
        environment = load(ROOT / "environments" / f"{name}.yaml")
        folder = tmp_path_factory.mktemp(f"assembly-{name}")
        root = cdk.App(context=flags(), outdir=str(folder), analytics_reporting=False)
        application.compose(root, environment, bundles)
        root.synth()
        names = Names(name)
        templates = {
            noun: Template(
                name, noun, json.loads((folder / f"{names.stack(noun)}.template.json").read_text())
            )
            for noun in NOUNS
        }
        return Synthesis(environment, templates, folder, root)

    return synthesis


@pytest.fixture(params=ENVIRONMENTS)
def synthesis(request: pytest.FixtureRequest, synthesize: Synthesize) -> Synthesis:
    """Each environment in turn."""
    return synthesize(request.param)


@pytest.fixture(scope="session")
def prod(synthesize: Synthesize) -> Synthesis:
    return synthesize("prod")


@pytest.fixture(scope="session")
def dev(synthesize: Synthesize) -> Synthesis:
    return synthesize("dev")


@pytest.fixture(scope="session")
def compose(bundles: Bundles) -> Compose:
    """Puts an environment with changed sections together; its checks are left out, which cost the most."""

    def composed(synthesis: Synthesis, changes: Mapping[str, object]) -> Mapping[str, Template]:
        environment = synthesis.environment.model_copy(update=dict(changes))
        root = cdk.App(context=flags(), analytics_reporting=False)
        application.put_together(root, environment, bundles)
        return {
            noun: Template(environment.name, noun, assertions.Template.from_stack(stack).to_json())
            for noun in NOUNS
            if isinstance(stack := root.node.try_find_child(Names(environment.name).stack(noun)), cdk.Stack)
        }

    return composed
