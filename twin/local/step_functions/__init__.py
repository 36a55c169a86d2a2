"""Step Functions as MiniStack has it, and what the workflows need beyond that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twin.local.emulator import Emulator
from twin.local.permissions.policy import Policies
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.transform import TransformJobs
from twin.local.step_functions.engine import StepFunctions
from twin.local.step_functions.rights import Rights
from twin.local.step_functions.transform import RESOURCE, TransformTask

__all__ = ["Workflows"]

_TYPE = "AWS::StepFunctions::StateMachine"


class Workflows:
    """Completes MiniStack's Step Functions; create it before MiniStack restores its state."""

    def __init__(
        self, emulator: Emulator, policies: Policies, sagemaker: SageMakerState, jobs: TransformJobs
    ) -> None:
        rights = Rights(policies)
        self._task = TransformTask(sagemaker, jobs, rights, emulator.states._ExecutionError)
        self._engine = StepFunctions(emulator, rights, self._task)
        table: dict[str, dict[str, Callable[..., Any]]] = emulator.provisioners._RESOURCE_HANDLERS
        table[_TYPE] = _permitted(table[_TYPE], emulator, rights)

    def started(self) -> None:
        """Take the running event loop as the one that SageMaker's operations run in."""
        self._task.loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Let go of executions under way."""
        self._engine.close()


def _permitted(
    handler: dict[str, Callable[..., Any]], emulator: Emulator, rights: Rights
) -> dict[str, Callable[..., Any]]:
    """State machines that wait for transform jobs, refused when their role may not manage the rule for it."""

    def check(properties: dict[str, Any]) -> None:
        definition = emulator.provisioners._sfn_definition(properties)
        denial = rights.rule_denial(properties["RoleArn"]) if f"{RESOURCE}.sync" in definition else None
        if denial is not None:
            message = (
                f"{denial} (Service: AWSStepFunctions; Status Code: 400; Error Code: AccessDeniedException)"
            )
            raise ValueError(message)

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        check(properties)
        return handler["create"](logical_id, properties, stack)

    def update(physical_id: str, old: Any, new: dict[str, Any], *rest: Any) -> Any:
        check(new)
        return handler["update"](physical_id, old, new, *rest)

    return {**handler, "create": create, "update": update}
