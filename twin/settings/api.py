"""The API: limits, tiers, and who belongs to which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from twin.settings.base import Section, refuse, setting
from twin.settings.nearest import nearest

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class Tier(Section):
    """What a usage plan allows each of its keys."""

    rate_per_second: float = setting("Steady rate.", unit="requests per second", gt=0, le=10_000)
    burst: int = setting("Requests accepted at once above the rate.", unit="requests", ge=1, le=5_000)
    quota_per_day: int = setting("Requests a day.", unit="requests per day", ge=1)


class Throttle(Section):
    """What the stage accepts from all clients together."""

    rate_per_second: float = setting("Steady rate.", unit="requests per second", gt=0, le=10_000)
    burst: int = setting("Requests accepted at once above the rate.", unit="requests", ge=1, le=5_000)


class ApiSettings(Section):
    """The public API."""

    stage: str = setting(
        "First path segment of the URL.", unit="name", default="live", pattern=r"^[a-z][a-z0-9-]{0,31}$"
    )
    max_output_tokens: int = setting("Default and cap of a completion's length.", unit="tokens", ge=1)
    model_timeout_seconds: int = setting(
        "Longest wait for the model before a request fails with 504.", unit="seconds", ge=1, le=840
    )
    throttle: Throttle = setting("Limits over all clients.", unit="section")
    requests_per_address: int = setting(
        "Requests that the firewall accepts from one address in five minutes.",
        unit="requests per 5 minutes",
        ge=10,
        le=2_000_000_000,
    )
    tiers: Mapping[Name, Tier] = setting("Usage plans by name.", unit="section", min_length=1)
    clients: Mapping[Name, Name] = setting(
        "API keys by client name, each with the tier it belongs to.", unit="tier names", min_length=1
    )
    log_content: bool = setting(
        "Write prompts and answers to the logs. They may hold personal data.", unit="switch", default=False
    )

    @model_validator(mode="after")
    def _clients_have_tiers(self) -> Self:
        for client, tier in self.clients.items():
            if tier not in self.tiers:
                refuse(
                    f"clients.{client}",
                    tier,
                    f"a tier of api.tiers ({', '.join(self.tiers)}); nearest: {nearest(tier, self.tiers)}",
                )
        return self

    @model_validator(mode="after")
    def _tiers_fit_the_stage(self) -> Self:
        for name, tier in self.tiers.items():
            if tier.rate_per_second > self.throttle.rate_per_second:
                limit = self.throttle.rate_per_second
                refuse(
                    f"tiers.{name}.rate_per_second",
                    tier.rate_per_second,
                    f"at most throttle.rate_per_second, which is {limit:g}",
                )
            if tier.burst > self.throttle.burst:
                refuse(
                    f"tiers.{name}.burst",
                    tier.burst,
                    f"at most throttle.burst, which is {self.throttle.burst}",
                )
        return self
