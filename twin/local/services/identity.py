"""Account, region and the ARNs made of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The one account and region that the local cloud plays."""

    account: str = "000000000000"
    region: str = "us-east-1"

    def arn(self, service: str, resource: str) -> str:
        """`arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"
