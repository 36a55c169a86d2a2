"""What every hosted endpoint chooses: its instance types, and how long its starts may take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from twin.settings.accelerators import INSTANCE_TYPES
from twin.settings.base import CONFLICT, Section, refuse, setting
from twin.settings.nearest import nearest


def _hosting_gpu_type(name: str) -> str:
    if name not in INSTANCE_TYPES:
        accepted = f"a GPU type that SageMaker hosts endpoints on, such as {nearest(name, INSTANCE_TYPES)}"
        raise PydanticCustomError(
            CONFLICT, "{key}: {accepted}", {"key": "", "value": name, "accepted": accepted}
        )
    return name


HostingType = Annotated[str, AfterValidator(_hosting_gpu_type)]
"""Name of an instance type with GPUs that SageMaker hosts endpoints on."""


def refuse_repeated(names: Sequence[str]) -> None:
    """Refuse a list of instance types that names one of them twice."""
    for index, name in enumerate(names):
        if name in names[:index]:
            refuse(f"instance_types.{index}", name, "each type once")


class StartTimeouts(Section):
    """How long each part of a start may take before it counts as failed."""

    instance_provision_seconds: int = setting(
        "Waiting for an instance type before the next in the list is tried.",
        unit="seconds",
        default=600,
        ge=300,
        le=3600,
    )
    model_download_seconds: int = setting(
        "Download of the weights.", unit="seconds", default=1200, ge=60, le=3600
    )
    container_startup_seconds: int = setting(
        "Container start until it answers health checks.", unit="seconds", default=900, ge=60, le=3600
    )

    @property
    def total_seconds(self) -> int:
        """All parts one after the other, on the first instance type."""
        return self.instance_provision_seconds + self.model_download_seconds + self.container_startup_seconds
