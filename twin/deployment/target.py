"""Where an environment's AWS calls go: the real service endpoints, or the local cloud."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_ENVIRONMENT = "local"
LOCAL_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
DEFAULT_PORT = 4566
_LOOPBACK = ("127.0.0.1", "localhost")

_CLIENT_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=32)


@dataclass(frozen=True, slots=True)
class Target:
    """One account and region; `endpoint_url` is set only for the local cloud."""

    environment: str
    region: str
    endpoint_url: str | None = None
    home: Path | None = None

    @classmethod
    def of(cls, environment: str, *, region: str, port: int = DEFAULT_PORT, state: Path) -> Target:
        if environment != LOCAL_ENVIRONMENT:
            return cls(environment, region)
        return cls(environment, region, f"http://127.0.0.1:{port}", state / "home")

    @property
    def is_local(self) -> bool:
        return self.endpoint_url is not None

    def client(self, service: str) -> Any:
        """Return a boto3 client for `service`."""
        if not self.is_local:
            return boto3.client(service, region_name=self.region, config=_CLIENT_CONFIG)
        return _session_without_profile().client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=_CLIENT_CONFIG,
        )

    def process_environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment variables with which a subprocess reaches this target.

        For the local cloud every `AWS_*` variable of the caller is left out, so that no profile or
        credential of a real account can be used by mistake, and the CDK command line gets a home of
        its own, because it caches the account of an access key under the home directory. It calls nobody
        but the local cloud: telemetry and the check for a newer version are off.
        """
        inherited = dict(os.environ if base is None else base)
        if self.endpoint_url is None or self.home is None:
            return inherited | {"AWS_REGION": self.region}
        kept = {name: value for name, value in inherited.items() if not name.startswith(("AWS_", "CDK_"))}
        self.home.mkdir(parents=True, exist_ok=True)
        return (
            kept
            | LOCAL_CREDENTIALS
            | {
                "AWS_REGION": self.region,
                "AWS_DEFAULT_REGION": self.region,
                "AWS_ENDPOINT_URL": self.endpoint_url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "CDK_DISABLE_CLI_TELEMETRY": "true",
                "CDK_DISABLE_VERSION_CHECK": "true",
                "HOME": str(self.home),
            }
        )


@cache
def _session_without_profile() -> boto3.Session:
    """Return a session that reads no profile and none of the caller's AWS files, which may be broken."""
    nothing: dict[str, Any] = {
        "profile": (None, [], None, None),
        "config_file": (None, [], os.devnull, None),
        "credentials_file": (None, [], os.devnull, None),
        "ca_bundle": (None, [], None, None),
    }
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=nothing))


def loopback_without_proxy(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that add loopback to those hosts that no proxy is used for.

    Both spellings are set, since each tool reads another one first.
    """
    listed = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
    hosts = [host.strip() for host in listed.split(",") if host.strip()]
    if "*" in hosts:
        return {}
    value = ",".join(dict.fromkeys([*hosts, *_LOOPBACK]))
    return {"no_proxy": value, "NO_PROXY": value}
