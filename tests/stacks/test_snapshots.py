"""One masked snapshot for each stack and environment, to review changes by."""

from __future__ import annotations

import json
import re
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.stacks.synthesis import NOUNS, Synthesis
from tests.stacks.templates import Template

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
_ASSET = re.compile(r"\b[0-9a-f]{64}(?=\.zip\b)")
_UPDATE = "make snapshots writes it"


def masked(template: Template) -> str:
    """The template without hashes of assets, which change with every line of a function."""
    return _ASSET.sub("<asset>", json.dumps(template.body, indent=2)) + "\n"


def check(template: Template, path: Path, *, update: bool) -> None:
    """Compare with the snapshot, or write it."""
    now = masked(template)
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now)
    if not path.exists():
        pytest.fail(f"there is no snapshot {path.parent.name}/{path.name}; {_UPDATE}")
    before = path.read_text()
    if before != now:
        difference = "\n".join(
            unified_diff(before.splitlines(), now.splitlines(), "snapshot", "now", n=2, lineterm="")
        )
        pytest.fail(f"{path.parent.name}/{path.name} changed; when that is wanted, {_UPDATE}:\n{difference}")


@pytest.mark.parametrize("noun", NOUNS)
def test_template_is_as_reviewed(synthesis: Synthesis, noun: str, pytestconfig: pytest.Config) -> None:
    template = synthesis.templates[noun]
    path = SNAPSHOTS / template.environment / f"{noun}.json"
    check(template, path, update=bool(pytestconfig.getoption("--update-snapshots", default=False)))


def test_missing_baseline_fails(prod: Synthesis, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"there is no snapshot prod/registry\.json"):
        check(prod.registry, tmp_path / "prod" / "registry.json", update=False)


def test_changed_template_fails_with_the_difference(prod: Synthesis, tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text(masked(prod.registry).replace("twin-prod-models", "twin-prod-other"))
    with pytest.raises(pytest.fail.Exception, match=r'\+.*"twin-prod-models"'):
        check(prod.registry, path, update=False)


def test_asset_hashes_are_masked(prod: Synthesis) -> None:
    assert "<asset>.zip" in masked(prod.api)
    assert "1" * 64 not in masked(prod.api)


def test_no_snapshot_is_left_over(synthesis: Synthesis) -> None:
    name = synthesis.environment.name
    assert {path.stem for path in (SNAPSHOTS / name).glob("*")} == set(NOUNS)
