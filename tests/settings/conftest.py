"""A valid environment file that tests change in one place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from twin.settings import Environment, SettingsError, load

ROOT = Path(__file__).parents[2]
REMOVED = object()

Document = dict[str, Any]
LoadChanged = Callable[[Mapping[str, object]], Environment]
Refusal = Callable[[Mapping[str, object]], str]


@pytest.fixture(scope="session")
def prod_document() -> Document:
    document: Document = yaml.safe_load((ROOT / "environments" / "prod.yaml").read_text())
    return document


def changed(document: Document, changes: Mapping[str, object]) -> Document:
    """A copy with values set at dotted keys, or removed."""
    result = copy.deepcopy(document)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        place: Any = result
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if value is REMOVED:
            del place[last]
        elif isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "environments"
    path.mkdir()
    return path


@pytest.fixture
def load_changed(prod_document: Document, folder: Path) -> LoadChanged:
    """Loads prod.yaml with changes."""

    def call(changes: Mapping[str, object]) -> Environment:
        document = changed(prod_document, changes)
        path = folder / f"{document.get('name', 'prod')}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return load(path)

    return call


@pytest.fixture
def refusal(load_changed: LoadChanged) -> Refusal:
    """The message that refuses prod.yaml with changes."""

    def call(changes: Mapping[str, object]) -> str:
        with pytest.raises(SettingsError) as raised:
            load_changed(changes)
        return str(raised.value)

    return call
