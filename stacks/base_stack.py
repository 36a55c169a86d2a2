"""What all stacks of an environment have in common."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from stacks.naming import Names
from twin.settings import Environment


class TwinStack(cdk.Stack):
    """A stack named `twin-<environment>-<noun>`, in the environment's account and region."""

    def __init__(self, scope: Construct, noun: str, *, environment: Environment, description: str) -> None:
        names = Names(environment.name)
        super().__init__(
            scope,
            names.stack(noun),
            stack_name=names.stack(noun),
            description=description,
            env=cdk.Environment(account=environment.account, region=environment.region),
            tags={"project": "llm-twin-stack", "environment": environment.name, "stack": noun},
        )
        self.names = names

    def output(self, key: str, value: str) -> None:
        """Publish `value` under a key of `naming.Outputs`."""
        cdk.CfnOutput(self, key, value=value)
