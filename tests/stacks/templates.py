"""Reading synthesized templates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True)
class Template:
    """The CloudFormation template of one stack."""

    environment: str
    noun: str
    body: Mapping[str, Json]

    def resources(self, kind: str) -> dict[str, Json]:
        """Resources of a type such as `AWS::S3::Bucket`, by logical id."""
        return {
            logical_id: resource
            for logical_id, resource in self.body["Resources"].items()
            if resource["Type"] == kind
        }

    def properties(self, kind: str) -> list[Json]:
        """Properties of each resource of the type."""
        return [resource.get("Properties", {}) for resource in self.resources(kind).values()]

    def only(self, kind: str) -> Json:
        """Properties of the one resource of the type."""
        [properties] = self.properties(kind)
        return properties

    def at(self, path: str) -> Json:
        """Properties of the resource at a construct path below the stack, such as `Corpus/Bucket`."""
        _, resource = self.find(path)
        return resource["Properties"]

    def find(self, path: str) -> tuple[str, Json]:
        """Logical id and resource at a construct path below the stack."""
        [found] = [
            (logical_id, resource)
            for logical_id, resource in self.body["Resources"].items()
            if resource["Metadata"]["aws:cdk:path"].split("/", 1)[1].removesuffix("/Resource") == path
        ]
        return found

    def statements(self, role_path: str) -> list[Json]:
        """Statements of the policy that belongs to the role at a construct path."""
        statements: list[Json] = self.at(f"{role_path}/DefaultPolicy")["PolicyDocument"]["Statement"]
        return statements

    def identity_statements(self, effect: str = "Allow") -> Iterator[tuple[str, Json]]:
        """Every statement of this effect in every identity policy, with the policy's logical id."""
        for logical_id, statement in self._identity_statements():
            if statement["Effect"] == effect:
                yield logical_id, statement

    def _identity_statements(self) -> Iterator[tuple[str, Json]]:
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for logical_id, resource in self.resources(kind).items():
                for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                    yield logical_id, statement
        for logical_id, role in self.resources("AWS::IAM::Role").items():
            for policy in role["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield logical_id, statement

    def text(self) -> str:
        """The template as JSON."""
        return json.dumps(self.body)


def as_list(value: Json) -> list[Json]:
    """A policy's action or resource, which may be one or several."""
    return value if isinstance(value, list) else [value]


def with_action(statements: list[Json], action: str) -> Json:
    """The one statement that allows the action."""
    [found] = [statement for statement in statements if action in as_list(statement["Action"])]
    return found
