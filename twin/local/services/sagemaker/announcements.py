"""SageMaker's events about endpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

from twin.local.services.sagemaker.endpoints import describe_endpoint
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record

DETAIL_TYPE = "SageMaker Endpoint State Change"
_STATUSES = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "InService": "IN_SERVICE",
    "Deleting": "DELETING",
}
"""Events write the statuses that the API has in another form."""

_TIMES = ("CreationTime", "LastModifiedTime")

Operation = Callable[[SageMakerState, Record], Record | None]


def announced(operation: Operation) -> Operation:
    """An operation on an endpoint, followed by the events of its change."""

    def run(state: SageMakerState, request: Record) -> Record | None:
        name = request["EndpointName"]
        before = _detail(state, name) if name in state.endpoints else None
        answer = operation(state, request)
        if name in state.endpoints:
            _announce(state, _detail(state, name))
            _announce_settled(state, name)
        elif before is not None:
            _announce(state, {**before, "EndpointStatus": _STATUSES["Deleting"]})
        return answer

    return run


def _announce(state: SageMakerState, detail: Record) -> None:
    state.announce(DETAIL_TYPE, [detail["EndpointArn"]], detail)


def _announce_settled(state: SageMakerState, name: str) -> None:
    """Tell that a change is over when it is, unless another one came in between."""
    settled = state.endpoints[name]["SettledTime"]
    seconds = settled - state.clock()
    if seconds <= 0:
        return

    def tell() -> None:
        record = state.endpoints.get(name)
        if record is not None and record["SettledTime"] == settled:
            _announce(state, {**_detail(state, name), "EndpointStatus": _STATUSES["InService"]})

    timer = threading.Timer(seconds, copy_context().run, (tell,))
    timer.daemon = True
    timer.start()


def _detail(state: SageMakerState, name: str) -> Record:
    shown = describe_endpoint(state, {"EndpointName": name})
    times: Record = {key: round(shown[key] * 1000) for key in _TIMES if key in shown}
    status = _STATUSES.get(shown["EndpointStatus"], shown["EndpointStatus"])
    return {**shown, **times, "EndpointStatus": status, "Tags": state.tags.get(shown["EndpointArn"], {})}
