"""Writes the tables of settings.md from environments/schema.json.

`python docs/generate_settings.py` rewrites the page; with `--check` it changes nothing and fails where
the page and the schema differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "settings.md"
SCHEMA = DOCS.parent / "environments" / "schema.json"
BEGIN = "<!-- settings: written by docs/generate_settings.py -->\n"
END = "<!-- settings: end -->\n"

_COLUMNS = "| key | meaning | unit | accepted | default |\n|---|---|---|---|---|\n"

Schema = dict[str, Any]


def tables(schema: Schema) -> str:
    """Return one table for the keys of the top level and one for each section."""
    sections = {key: _resolve(schema, node) for key, node in schema["properties"].items()}
    top = [key for key, node in sections.items() if "properties" not in node]
    parts = ["### Top level\n\n" + _COLUMNS + "".join(_row(schema, key, key, schema) for key in top)]
    for key, node in sections.items():
        if "properties" in node:
            rows = "".join(_rows(schema, key, node))
            parts.append(f"### `{key}`\n\n{node['description']}\n\n{_COLUMNS}{rows}")
    return "\n".join(parts)


def _rows(schema: Schema, path: str, section: Schema) -> Iterator[str]:
    for key in section["properties"]:
        node = _resolve(schema, section["properties"][key])
        if "properties" in node:
            yield from _rows(schema, f"{path}.{key}", node)
        elif "patternProperties" in node:
            yield from _named(schema, f"{path}.{key}", node, section)
        else:
            yield _row(schema, f"{path}.{key}", key, section)


def _named(schema: Schema, path: str, node: Schema, section: Schema) -> Iterator[str]:
    """Rows of a mapping whose keys the user chooses."""
    (member,) = (_resolve(schema, value) for value in node["patternProperties"].values())
    if "properties" in member:
        yield from _rows(schema, f"{path}.<name>", member)
    else:
        yield _row(schema, f"{path}.<name>", path.rsplit(".", 1)[-1], section)


def _row(schema: Schema, path: str, key: str, section: Schema) -> str:
    declared = section["properties"][key]
    node = {**_resolve(schema, declared), **declared}
    default = "required" if key in section.get("required", ()) else _default(node)
    meaning = node["description"].replace("<", "&lt;")
    cells = (f"`{path}`", meaning, node["unit"], _accepted(schema, node), default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(node: Schema) -> str:
    value = node.get("default")
    return "none" if value is None else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _accepted(schema: Schema, node: Schema) -> str:
    if "anyOf" in node:
        (option,) = (option for option in node["anyOf"] if option.get("type") != "null")
        node = {**node, **_resolve(schema, option)}
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    kind = node.get("type", "object")
    match kind:
        case "boolean":
            return "`true`, `false`"
        case "integer" | "number":
            return f"{kind}{_bounds(node)}"
        case "array":
            return f"list{_length(node)}"
        case "string":
            return _text(node)
        case _:
            return _member(schema, node) if "patternProperties" in node else kind


def _member(schema: Schema, node: Schema) -> str:
    """What the values of a mapping accept, whose keys the user chooses."""
    (member,) = (_resolve(schema, value) for value in node["patternProperties"].values())
    return _text(member) if "examples" in member else "name of a tier"


def _text(node: Schema) -> str:
    """Prefer an example to a pattern, where there is one."""
    if "examples" in node:
        return "like " + " or ".join(f"`{example}`" for example in node["examples"])
    return f"`{node['pattern']}`" if "pattern" in node else "text"


def _bounds(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if "exclusiveMinimum" in node:
        return f", above {node['exclusiveMinimum']:,}" + (f", at most {high:,}" if high is not None else "")
    if low is not None and high is not None:
        return f", {low:,} to {high:,}"
    return f", at least {low:,}" if low is not None else f", at most {high:,}" if high is not None else ""


def _length(node: Schema) -> str:
    low, high = node.get("minItems", 0), node.get("maxItems")
    return f" of {low} to {high}" if high is not None else f" of at least {low}"


def _resolve(schema: Schema, node: Schema) -> Schema:
    """Follow a reference, also one that may be null."""
    options = [option for option in node.get("anyOf", ()) if "$ref" in option]
    reference = node.get("$ref") or (options[0]["$ref"] if options else None)
    resolved: Schema = schema["$defs"][reference.rsplit("/", 1)[-1]] if reference else node
    return resolved


def main(arguments: list[str]) -> str | None:
    """Return the message to fail with, or None."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    new = head + BEGIN + "\n" + tables(schema) + "\n" + END + tail
    if arguments == ["--check"]:
        return None if new == page else f"{PAGE.name} differs from {SCHEMA.name}; run {Path(__file__).name}"
    PAGE.write_text(new, encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
