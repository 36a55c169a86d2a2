"""From a YAML file to an `Environment`."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from twin.settings.accepted import SchemaReader
from twin.settings.environment import Environment
from twin.settings.errors import SettingsError, settings_error


class _Loader(yaml.SafeLoader):
    """YAML whose mappings have unique keys and whose dates stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - overrides an attribute that PyYAML declares unannotated
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise SettingsError(f"{self.name}: line {line} has a key that is no text; accepted: texts")
            if key.value in seen:
                raise SettingsError(
                    f"{self.name}: {key.value} is given twice, again on line {line}; accepted: each key once"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(path: Path) -> Environment:
    """Read and check an environment file.

    Raises:
        SettingsError: the file is absent, is not YAML, or holds a value that is not accepted.
    """
    shown = f"{path.parent.name}/{path.name}"
    document = _parse(path, shown)
    try:
        environment = Environment.model_validate_json(document, strict=True)
    except ValidationError as error:
        raise settings_error(shown, error, SchemaReader(Environment.model_json_schema())) from None
    if environment.name != path.stem:
        raise SettingsError(
            f'{shown}: name is "{environment.name}"; accepted: {path.stem}, the name of the file'
        )
    return environment


def _parse(path: Path, shown: str) -> str:
    """The file as JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        present = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise SettingsError(
            f"{shown}: no such file; accepted: one of the environments {', '.join(present) or '(none)'}"
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{shown}: is not text in UTF-8: byte {error.start} is not") from None
    try:
        loader = _Loader(text)
        loader.name = shown
        return _as_json(loader.get_single_data(), shown)
    except yaml.YAMLError as error:
        raise SettingsError(f"{shown}: is not YAML{_why(error)}") from None


def _as_json(data: Any, shown: str) -> str:
    try:
        return json.dumps(data, default=str)
    except ValueError:
        raise SettingsError(f"{shown}: has a value that contains itself; accepted: values that end") from None


def _why(error: yaml.YAMLError) -> str:
    """Where and why parsing stopped; a character that YAML forbids has no line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f" at line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f": {' '.join(str(error).split())}"
