"""CloudFormation's own resource schemas, as cfn-lint ships them; read as data, cfn-lint is not imported."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Schema = dict[str, Any]


class SchemasMissingError(RuntimeError):
    """cfn-lint is not installed."""


@cache
def _data_folder() -> Path:
    spec = find_spec("cfnlint")
    if spec is None or spec.origin is None:
        raise SchemasMissingError(
            "the local cloud checks templates against the resource schemas in cfn-lint, "
            "which is not installed: install requirements-dev.txt"
        )
    return Path(spec.origin).parent / "data" / "schemas"


@cache
def resource_schema(resource_type: str) -> Schema:
    """Schema of a resource type, for example `AWS::SageMaker::Model`."""
    index = json.loads((_data_folder() / "providers" / "us-east-1.json").read_text())
    schema: Schema = json.loads((_data_folder() / "resources" / f"{index[resource_type]}.json").read_text())
    return schema


def top_level(schema: Schema, kind: str) -> frozenset[str]:
    """Names in `createOnlyProperties` or `readOnlyProperties` that are whole properties."""
    paths = (path.removeprefix("/properties/") for path in schema.get(kind, ()))
    return frozenset(path for path in paths if "/" not in path)


def read_only_paths(schema: Schema) -> frozenset[str]:
    """Properties that only CloudFormation sets, nested ones included, as `A/B`; `*` stands for an item."""
    return frozenset(path.removeprefix("/properties/") for path in schema.get("readOnlyProperties", ()))
