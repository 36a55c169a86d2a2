"""Where a bundle runs."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Interpreter and platform that packages are chosen for.

    `platform` is one of uv's `--python-platform` names; None means the machine that builds.
    """

    name: str
    python: str
    platform: str | None

    @classmethod
    def aws(cls) -> Target:
        """Lambda's managed Python runtime on arm64, whose glibc is 2.34."""
        return cls(name="aws-arm64", python="3.14", platform="aarch64-manylinux_2_28")

    @classmethod
    def host(cls) -> Target:
        """The running interpreter; functions of the local cloud run on it."""
        return cls(name="host", python=f"{sys.version_info.major}.{sys.version_info.minor}", platform=None)

    @property
    def identity(self) -> str:
        """What distinguishes packages of one target from another's; enters the hash of a bundle."""
        machine = self.platform or f"{sys.platform}-{platform.machine()}"
        return f"{self.name} {self.python} {machine}"
