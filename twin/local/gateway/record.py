"""What is known of the API request being served, for keys, error answers and access logs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class GatewayRecord:
    """One API request; filled in by the steps that handle it."""

    method: str
    client: str
    started: float = field(default_factory=time.time)
    request_id: str = "-"
    api_id: str = "-"
    account_id: str = "-"
    stage_name: str = "-"
    stage: Mapping[str, Any] = field(default_factory=dict)
    path: str = "-"
    resource_path: str = "-"
    user_agent: str = "-"
    authorizer: Mapping[str, Any] = field(default_factory=dict)
    usage_key: str | None = None
    api_key_id: str = "-"
    error_type: str = "-"
    error_message: str = "-"
    integration_status: int | None = None
    integration_started: float | None = None
    integration_ended: float | None = None
    status: int = 0
    response_bytes: int = 0


current: ContextVar[GatewayRecord | None] = ContextVar("gateway_record", default=None)
"""The request that this task serves; None outside of API requests."""
