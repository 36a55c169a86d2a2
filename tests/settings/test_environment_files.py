"""The environment files of this repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from twin.settings import Environment, load
from twin.settings.schema import SCHEMA_FILE, schema_text

FOLDER = Path(__file__).parents[2] / "environments"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_are_four() -> None:
    assert [path.stem for path in FILES] == ["dev", "local", "prod", "staging"]


def test_file_is_valid_and_names_its_environment(file: Path) -> None:
    assert load(file).name == file.stem


def test_file_tells_editors_its_schema(file: Path) -> None:
    assert file.read_text().splitlines()[0] == "# yaml-language-server: $schema=schema.json"


def test_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "python -m twin.settings.schema writes it anew"


def test_prod_is_as_agreed() -> None:
    prod = load(FOLDER / "prod.yaml")
    assert prod.realtime.instance_types == ("ml.g6e.xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge")
    assert (prod.realtime.copies.min, prod.realtime.copies.max) == (1, 6)
    assert prod.retains_data


def test_dev_scales_to_zero() -> None:
    assert load(FOLDER / "dev.yaml").realtime.copies.min == 0


def test_data_outlives_stacks_except_in_local_and_dev() -> None:
    assert {path.stem for path in FILES if load(path).retains_data} == {"staging", "prod"}


def test_only_local_has_a_local_section() -> None:
    assert {path.stem for path in FILES if load(path).local} == {"local"}


def test_local_has_a_roomy_client_and_one_that_is_soon_over_quota() -> None:
    api = load(FOLDER / "local.yaml").api
    assert set(api.clients) == {"demo", "trial", "subscriber"}
    assert api.tiers[api.clients["trial"]].quota_per_day <= 10
    assert api.tiers[api.clients["demo"]].quota_per_day >= 100_000


def test_settings_are_frozen(file: Path) -> None:
    environment: Environment = load(file)
    with pytest.raises(ValidationError, match="frozen"):
        environment.realtime.copies.max = 9  # type: ignore[misc] # the point of the test
