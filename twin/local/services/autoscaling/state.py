"""Scalable targets, policies, scheduled actions and activities; and what registering one does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Protocol

from twin.local.services.autoscaling.rules import Target
from twin.local.services.errors import ServiceError
from twin.local.services.identity import Identity
from twin.local.services.storage import Database, Record


class Capacity(Protocol):
    """The scaled resource."""

    def current(self, target: Target) -> int | None:
        """Its capacity, or None when it does not exist."""

    def change(self, target: Target, capacity: int) -> None:
        """Set its capacity."""


class AutoscalingState:
    """Records keep the API's own field names."""

    def __init__(
        self,
        database: Database,
        capacity: Capacity,
        identity: Identity | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.identity = identity or Identity()
        self.capacity = capacity
        self.clock = clock
        self.targets = database.records("autoscaling.target")
        self.policies = database.records("autoscaling.policy")
        self.actions = database.records("autoscaling.scheduled-action")
        self.activities = database.records("autoscaling.activity")
        self.tags = database.records("autoscaling.tags")

    def require_target(self, target: Target) -> Record:
        if target.key not in self.targets:
            raise ServiceError(
                "ObjectNotFoundException",
                "No scalable target found for service namespace: sagemaker, resource ID: "
                f"{target.resource_id}, scalable dimension: {target.dimension}",
            )
        return self.targets[target.key]

    def bring_within_bounds(self, target: Target) -> None:
        """Scale at once when the capacity lies outside the target's bounds, as registering does on AWS."""
        record = self.targets[target.key]
        current = self.capacity.current(target)
        if current is None:
            return
        wanted = min(max(current, record["MinCapacity"]), record["MaxCapacity"])
        if wanted == current:
            return
        bound = "minimum" if wanted > current else "maximum"
        self.scale(target, wanted, f"{bound} capacity was set to {wanted}")

    def scale(self, target: Target, capacity: int, cause: str) -> None:
        """Change the capacity, and note the activity."""
        self.capacity.change(target, capacity)
        activity_id, now = str(uuid.uuid4()), self.clock()
        self.activities[activity_id] = {
            "ActivityId": activity_id,
            "ServiceNamespace": "sagemaker",
            "ResourceId": target.resource_id,
            "ScalableDimension": target.dimension,
            "Description": f"Setting desired capacity to {capacity}.",
            "Cause": cause,
            "StartTime": now,
            "EndTime": now,
            "StatusCode": "Successful",
            "StatusMessage": f"Successfully set desired capacity to {capacity}.",
        }

    def scaled_variants(self, endpoint: str) -> Iterable[str]:
        """Variants of `endpoint` that have a scalable target."""
        for record in list(self.targets.values()):
            variant = Target(record["ResourceId"], record["ScalableDimension"]).variant
            if variant is not None and variant[0] == endpoint:
                yield variant[1]
