"""Background responses and batches: how long they are kept, and who is told when they end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from twin.settings.api import Name
from twin.settings.base import Section, setting

MOST_WEBHOOKS = 8
"""The functions carry the webhooks in their environment, which Lambda limits to 4 KiB."""

LOOPBACK = "http://127.0.0.1"
"""What a webhook without TLS begins with; for the local cloud alone."""

WebhookUrl = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/?#@]+([/?][^\s#]*)?$", max_length=256),
    Field(examples=["https://example.com/hooks/twin"]),
]


class JobSettings(Section):
    """What all jobs have in common, whichever deployment type runs them."""

    retention_days: int = setting(
        "How long jobs, their files and their results are kept. A batch may take a day, so at least two.",
        unit="days",
        default=30,
        ge=2,
        le=365,
    )
    webhooks: Mapping[Name, WebhookUrl] = setting(
        "Address that is told when a job of a client ends, by client name.",
        unit="HTTPS URLs",
        default={},
        max_length=MOST_WEBHOOKS,
    )
