"""What stands in for MiniStack's functions, over a module of the same shape."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from twin.local.emulator import Emulator
from twin.local.permissions.policy import Policies
from twin.local.step_functions import engine
from twin.local.step_functions.engine import StepFunctions
from twin.local.step_functions.rights import Rights
from twin.local.step_functions.runs import ExecutionStopped, Run, current
from twin.local.step_functions.transform import TransformTask

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"


class States(SimpleNamespace):
    """The part of `ministack.services.stepfunctions` that is used."""

    def __init__(self) -> None:
        super().__init__(
            _executions={},
            _map_runs={},
            _state_machines={MACHINE: {"roleArn": "role", "definition": json.dumps({"TimeoutSeconds": 60})}},
            _SFN_WAIT_SCALE=1.0,
            now_iso=lambda: "2030-01-01T00:00:00Z",
            _emit_execution_status_event=lambda execution: None,
            _run_execution=self._walk,
            _fail_execution=lambda execution, error, cause: execution.update(status="FAILED", error=error),
            _add_event=lambda execution, kind, details: execution["events"].append(kind),
            _stop_execution=lambda data: self._executions[data["executionArn"]].update(status="ABORTED"),
        )
        for name in engine._REPLACED:
            self.__dict__.setdefault(name, None)
        self.walk: Any = lambda execution: execution.update(status="SUCCEEDED")

    def _walk(self, arn: str) -> None:
        self.walk(self._executions[arn])

    def add(self, name: str, status: str = "RUNNING", **fields: Any) -> str:
        arn = f"{MACHINE.replace('stateMachine', 'execution')}:{name}"
        self._executions[arn] = {
            "executionArn": arn,
            "stateMachineArn": MACHINE,
            "status": status,
            "events": [],
            **fields,
        }
        return arn


@pytest.fixture
def states() -> States:
    return States()


@pytest.fixture
def step_functions(states: States) -> StepFunctions:
    emulator = cast(Emulator, SimpleNamespace(states=states, functions=None))
    return StepFunctions(emulator, Rights(cast(Policies, None)), cast(TransformTask, None))


def test_the_oldest_executions_are_forgotten(
    states: States, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running one is kept, however old; map runs go with their executions."""
    monkeypatch.setattr(engine, "KEPT_EXECUTIONS", 2)
    old = states.add("old", "SUCCEEDED", stopDate="2029-01-01")
    states.add("running", stopDate=None)
    states.add("newer", "FAILED", stopDate="2029-01-02")
    states._map_runs["run"] = {"executionArn": old}
    states.walk = lambda execution: execution.update(status="SUCCEEDED", stopDate="2029-01-03")
    states._run_execution(states.add("newest"))
    assert [arn.rpartition(":")[2] for arn in states._executions] == ["running", "newer", "newest"]
    assert states._map_runs == {}


def test_what_has_ended_stays_as_it_is(states: States, step_functions: StepFunctions) -> None:
    execution = states._executions[states.add("e", "ABORTED")]
    states._fail_execution(execution, "States.Runtime", "late")
    states._add_event(execution, "TaskFailed")
    states._add_event(execution, "ExecutionAborted")
    assert (execution["status"], execution["events"]) == ("ABORTED", ["ExecutionAborted"])


@pytest.mark.parametrize("ends", ["close", "stop"])
def test_a_waiting_execution_ends_at_once(states: States, step_functions: StepFunctions, ends: str) -> None:
    """Stopping ends it with its status; closing leaves the status to the next start."""
    waiting = threading.Event()
    arn = states.add("e")

    def walk(execution: dict[str, Any]) -> None:
        waiting.set()
        states._scaled_sleep(60)
        execution.update(status="SUCCEEDED")

    states.walk = walk
    thread = threading.Thread(target=states._run_execution, args=(arn,))
    thread.start()
    assert waiting.wait(10)
    if ends == "close":
        step_functions.close()
    else:
        states._stop_execution({"executionArn": arn})
    thread.join(10)
    assert not thread.is_alive()
    assert states._executions[arn]["status"] == ("RUNNING" if ends == "close" else "ABORTED")


@pytest.fixture
def limited(states: States) -> list[Any]:
    """Time limits of the tasks that were executed."""
    limits: list[Any] = []
    states._execute_task = lambda state, *_: limits.append(state.get("TimeoutSeconds"))
    states._resolve_path_or_ctx = lambda path, data, context: data[path.removeprefix("$.")]
    states._ExecutionError = RuntimeError
    return limits


def test_the_time_limit_of_a_task_may_be_in_its_input(
    states: States, limited: list[Any], step_functions: StepFunctions
) -> None:
    for state in ({"TimeoutSecondsPath": "$.seconds"}, {"TimeoutSeconds": 7}, {}):
        states._execute_task(state, {"seconds": 90}, {}, {})
    assert limited == [90, 7, None]


@pytest.mark.parametrize("seconds", [0, -1, "60", None])
def test_a_time_limit_is_a_positive_integer(
    states: States, limited: list[Any], step_functions: StepFunctions, seconds: Any
) -> None:
    with pytest.raises(RuntimeError, match=r"States\.Runtime"):
        states._execute_task({"TimeoutSecondsPath": "$.seconds"}, {"seconds": seconds}, {}, {})
    assert limited == []


def test_a_stopped_execution_begins_no_task() -> None:
    run = Run({"executionArn": "e"}, "role")
    woken: list[str] = []
    run.when_stopped(lambda: woken.append("before"))
    run.stop()
    run.when_stopped(lambda: woken.append("after"))
    assert woken == ["before", "after"]
    with pytest.raises(ExecutionStopped):
        run.check()
    assert current.get() is None
