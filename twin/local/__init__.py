"""The local cloud: one process on 127.0.0.1 that `cdk deploy` fills with the real templates."""

from __future__ import annotations

ACCOUNT = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"
DEFAULT_PORT = 4566
