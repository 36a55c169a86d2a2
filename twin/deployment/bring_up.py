"""From nothing to a deployed environment in the local cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from twin.deployment.cdk import BOOTSTRAP_STACK, Cdk
from twin.deployment.outputs import Deployment
from twin.deployment.target import LOCAL_ENVIRONMENT, Target

if TYPE_CHECKING:
    from pathlib import Path

    from twin.settings import Environment


class StackProgress(Protocol):
    """Called as each stack is done; `changed` is false where there was nothing to deploy."""

    def __call__(self, stack: str, changed: bool, /) -> None: ...


@dataclass(frozen=True, slots=True)
class LocalDeployment:
    """Bootstraps and deploys the `local` environment into a local cloud that runs already."""

    root: Path
    state: Path
    port: int
    environment: Environment

    @property
    def target(self) -> Target:
        return Target.of(LOCAL_ENVIRONMENT, region=self.environment.region, port=self.port, state=self.state)

    def bootstrap(self) -> bool:
        """Create the bootstrap stack unless it is there; say whether it had to be made."""
        if self._bootstrapped():
            return False
        self._cdk("bootstrap").bootstrap(self.environment.account)
        return True

    def deploy(self, progress: StackProgress) -> Deployment:
        """Run `cdk deploy` for every stack."""
        self._cdk("deploy").deploy(progress)
        return Deployment(self.target)

    def _cdk(self, purpose: str) -> Cdk:
        return Cdk(
            self.root, self.target, self.state / "logs" / f"cdk-{purpose}.log", self.state / "assembly"
        )

    def _bootstrapped(self) -> bool:
        try:
            found = self.target.client("cloudformation").describe_stacks(StackName=BOOTSTRAP_STACK)["Stacks"]
        except ClientError:
            return False
        return any(stack["StackStatus"].endswith("_COMPLETE") for stack in found)
