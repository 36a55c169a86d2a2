"""One environment, synthesized."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from tests.stacks.templates import Template
from twin.settings import Environment

ENVIRONMENTS = ("local", "dev", "staging", "prod")
ROOT = Path(__file__).parents[2]
NOUNS = (
    "storage",
    "network",
    "registry",
    "realtime",
    "jobs",
    "asynchronous",
    "batch",
    "ingestion",
    "api",
)


@dataclass(frozen=True)
class Synthesis:
    """An environment's settings, its templates by noun, and where its assembly lies."""

    environment: Environment
    templates: Mapping[str, Template]
    folder: Path
    root: cdk.App

    def __getattr__(self, noun: str) -> Template:
        """The template of a stack, by its noun."""
        if noun not in NOUNS:
            raise AttributeError(noun)
        return self.templates[noun]


def flags() -> dict[str, Any]:
    """The context that the CDK command line passes: feature flags, and construct paths in the templates."""
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return {**context, "aws:cdk:enable-path-metadata": True}
