"""The AWS accounts that publish the vLLM image.

Source: the registries of the `vllm` images in `sagemaker-core` 2.27.0, read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PUBLISHER = "763104351884"
"""The account of every region that is not listed below."""

REGIONAL_PUBLISHERS: Mapping[str, str] = MappingProxyType(
    {
        "af-south-1": "626614931356",
        "ap-east-1": "871362719292",
        "ap-east-2": "975050140332",
        "ap-northeast-3": "364406365360",
        "ap-south-2": "772153158452",
        "ap-southeast-3": "907027046896",
        "ap-southeast-4": "457447274322",
        "ap-southeast-5": "550225433462",
        "ap-southeast-6": "633930458069",
        "ap-southeast-7": "590183813437",
        "ca-west-1": "204538143572",
        "eu-central-2": "380420809688",
        "eu-south-1": "692866216735",
        "eu-south-2": "503227376785",
        "il-central-1": "780543022126",
        "me-central-1": "914824155844",
        "me-south-1": "217643126080",
        "me-west-1": "124382933778",
        "mx-central-1": "637423239942",
    }
)
