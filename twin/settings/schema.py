"""JSON Schema of the environment files, for editors: `python -m twin.settings.schema` writes it."""

from __future__ import annotations

import json
from pathlib import Path

from twin.settings.environment import Environment

SCHEMA_FILE = Path(__file__).parents[2] / "environments" / "schema.json"


def schema_text() -> str:
    """The schema, indented, with a final newline."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Environment.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
