"""Capacity of what is scaled, read from and written to the SageMaker control plane."""

from __future__ import annotations

from twin.local.services.autoscaling.rules import VARIANT_COUNT, Target
from twin.local.services.sagemaker.components import update_runtime_config
from twin.local.services.sagemaker.endpoints import update_weights_and_capacities
from twin.local.services.sagemaker.state import SageMakerState


class SageMakerCapacity:
    """Copies of inference components, instances of endpoint variants."""

    def __init__(self, state: SageMakerState) -> None:
        self._state = state

    def current(self, target: Target) -> int | None:
        if target.component is not None:
            record = self._state.components.get(target.component)
            return None if record is None else int(record["CopyCount"])
        if target.variant is None:
            return None
        endpoint, variant = target.variant
        record = self._state.endpoints.get(endpoint)
        if record is None or variant not in record["Variants"]:
            return None
        return int(record["Variants"][variant]["DesiredInstanceCount"])

    def change(self, target: Target, capacity: int) -> None:
        if target.component is not None:
            wanted = {"CopyCount": capacity}
            update_runtime_config(
                self._state, {"InferenceComponentName": target.component, "DesiredRuntimeConfig": wanted}
            )
        elif target.variant is not None and target.dimension == VARIANT_COUNT:
            endpoint, variant = target.variant
            count = {"VariantName": variant, "DesiredInstanceCount": capacity}
            request = {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [count]}
            update_weights_and_capacities(self._state, request)
