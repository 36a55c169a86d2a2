"""DeploymentConfig: how an update moves an endpoint to another fleet."""

from __future__ import annotations

from twin.local.services.errors import validation_error
from twin.local.services.storage import Record

_SIZES = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
_MAX_PERCENT = 50


def check_deployment(config: Record) -> None:
    """`ValidationException` for a policy that SageMaker does not take."""
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise validation_error("DeploymentConfig takes one of BlueGreenUpdatePolicy and RollingUpdatePolicy.")
    if blue_green:
        _check_traffic(blue_green)
    if rolling:
        _check_size("MaximumBatchSize", rolling["MaximumBatchSize"], 5)


def _check_traffic(policy: Record) -> None:
    routing = policy["TrafficRoutingConfiguration"]
    kind = routing["Type"]
    for of_kind, name in _SIZES.items():
        if (kind == of_kind) != bool(routing.get(name)):
            needs = "needs" if kind == of_kind else "takes no"
            raise validation_error(f"Traffic routing of type {kind} {needs} {name}.")
        if routing.get(name):
            _check_size(name, routing[name], 10 if kind == "LINEAR" else 1)
    waits = routing["WaitIntervalInSeconds"] + policy.get("TerminationWaitInSeconds", 0)
    longest = policy.get("MaximumExecutionTimeoutInSeconds")
    if longest is not None and longest <= waits:
        raise validation_error(
            f"MaximumExecutionTimeoutInSeconds {longest} must be larger than the waits of {waits} seconds."
        )


def _check_size(name: str, size: Record, least: int) -> None:
    if size["Type"] == "CAPACITY_PERCENT" and not least <= size["Value"] <= _MAX_PERCENT:
        raise validation_error(
            f"{name} must be from {least} to {_MAX_PERCENT} percent of the capacity, found {size['Value']}."
        )
