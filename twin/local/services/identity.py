"""Account, region and the ARNs made of them."""

from __future__ import annotations


class Identity:
    """The account and region that a request acts for."""

    def __init__(self, account: str = "000000000000", region: str = "us-east-1") -> None:
        self._account = account
        self._region = region

    @property
    def account(self) -> str:
        """Twelve digits."""
        return self._account

    @property
    def region(self) -> str:
        """For example `us-east-1`."""
        return self._region

    def arn(self, service: str, resource: str) -> str:
        """`arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"
