"""The private network."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Self

from pydantic import model_validator

from twin.settings.base import Section, refuse, setting


class NetworkSettings(Section):
    """The network that model containers, and functions where wanted, run in."""

    cidr: str = setting(
        "Address range.", unit="CIDR block", default="10.40.0.0/16", examples=["10.40.0.0/16"]
    )
    availability_zones: tuple[str, ...] = setting(
        "Zones to spread over; named here, so that synthesis looks nothing up. "
        "Once deployed, zones can be added at the end, not removed or moved.",
        unit="zone names",
        min_length=2,
        max_length=6,
    )
    private_functions: bool = setting(
        "Run the functions in the isolated subnets too, reaching AWS through interface endpoints alone. "
        "Each endpoint costs about 7 USD a month and zone.",
        unit="switch",
        default=False,
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            block = IPv4Network(self.cidr)
        except ValueError:
            refuse("cidr", self.cidr, "an IPv4 network such as 10.40.0.0/16, with no host bits set")
        if not 16 <= block.prefixlen <= 24:
            refuse("cidr", self.cidr, "a prefix length from 16 to 24")
        if len(set(self.availability_zones)) < len(self.availability_zones):
            refuse("availability_zones", list(self.availability_zones), "each zone once")
        return self
