"""What MiniStack lacks of Step Functions: transform jobs, stopping, time limits, permissions, forgetting."""

from __future__ import annotations

import json
import threading
from contextvars import copy_context
from typing import Any

from twin.local.emulator import Emulator
from twin.local.permissions.policy import Need
from twin.local.step_functions.rights import Rights, function_need
from twin.local.step_functions.runs import ExecutionStopped, Run, current
from twin.local.step_functions.transform import RESOURCE, TransformTask

KEPT_EXECUTIONS = 1000
"""Executions that have ended are kept up to this number, a map's children among them; the oldest go first."""

_REPLACED = (
    "_start_execution",
    "_run_execution",
    "_stop_execution",
    "_fail_execution",
    "_add_event",
    "_execute_task",
    "_scaled_sleep",
    "_call_lambda",
    "_invoke_resource",
    "_invoke_resource_with_timeout",
    "_run_distributed_map",
)


class StepFunctions:
    """Stands in for chosen functions of MiniStack's module, each of which calls the original."""

    def __init__(self, emulator: Emulator, rights: Rights, transform: TransformTask) -> None:
        self._states = emulator.states
        self._functions = emulator.functions
        self._rights = rights
        self._transform = transform
        self._runs: dict[str, Run] = {}
        self._originals = {name: getattr(self._states, name) for name in _REPLACED}
        for name in _REPLACED:
            setattr(self._states, name, getattr(self, name))

    def close(self) -> None:
        """Let go of the executions under way; MiniStack marks them failed when it starts again."""
        for run in list(self._runs.values()):
            run.stop(abandoned=True)

    def _start_execution(self, data: dict[str, Any]) -> Any:
        """A running execution with the same name and input is the answer, as on AWS."""
        machine = self._states._resolve_state_machine_arn(str(data.get("stateMachineArn", "")))
        arn = f"{str(machine).replace(':stateMachine:', ':execution:', 1)}:{data.get('name')}"
        found = self._states._executions.get(arn)
        if found and found["status"] == "RUNNING" and found["input"] == data.get("input", "{}"):
            answer = {"executionArn": arn, "startDate": found["startDate"]}
            return self._states.json_response(answer)
        return self._originals["_start_execution"](data)

    def _run_execution(self, arn: str) -> None:
        execution = self._states._executions.get(arn)
        machine = execution and self._states._state_machines.get(execution["stateMachineArn"])
        if not machine:
            self._originals["_run_execution"](arn)
            return
        run = Run(execution, machine["roleArn"])
        self._runs[arn] = run
        limit = self._limit(run, machine["definition"])
        token = current.set(run)
        try:
            self._originals["_run_execution"](arn)
        except ExecutionStopped:
            return
        finally:
            current.reset(token)
            limit.cancel()
            del self._runs[arn]
            self._forget()

    def _limit(self, run: Run, definition: str) -> threading.Timer:
        """A timer, begun if the definition has `TimeoutSeconds`, that ends the execution."""
        try:
            seconds = json.loads(definition).get("TimeoutSeconds")
        except ValueError:
            seconds = None  # MiniStack reports what is wrong with it
        timer = threading.Timer(seconds or 0, copy_context().run, (self._time_out, run))
        timer.daemon = True
        if seconds:
            timer.start()
        return timer

    def _time_out(self, run: Run) -> None:
        execution = run.execution
        if execution["status"] != "RUNNING":
            return
        execution.update(status="TIMED_OUT", error="States.Timeout", stopDate=self._states.now_iso())
        self._add_event(
            execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
        )
        self._states._emit_execution_status_event(execution)
        run.stop()

    def _stop_execution(self, data: dict[str, Any]) -> Any:
        answer = self._originals["_stop_execution"](data)
        run = self._runs.get(str(data.get("executionArn")))
        if run is not None and run.execution["status"] == "ABORTED":
            run.stop()
        return answer

    def _fail_execution(self, execution: dict[str, Any], error: str, cause: str) -> None:
        """An execution that has ended stays as it is."""
        if execution["status"] == "RUNNING":
            self._originals["_fail_execution"](execution, error, cause)

    def _add_event(self, execution: dict[str, Any], kind: str, details: Any = None) -> Any:
        """Nothing happens to an execution that has ended."""
        if execution.get("status", "RUNNING") != "RUNNING" and not kind.startswith("Execution"):
            return None
        return self._originals["_add_event"](execution, kind, details)

    def _execute_task(self, state: Any, raw_input: Any, execution: Any, context: Any) -> Any:
        """A time limit may be in the input."""
        if path := state.get("TimeoutSecondsPath"):
            seconds = self._states._resolve_path_or_ctx(path, raw_input, context)
            if not isinstance(seconds, int) or seconds <= 0:
                cause = f"The TimeoutSecondsPath '{path}' has no positive integer: {json.dumps(seconds)}"
                raise self._states._ExecutionError("States.Runtime", cause)
            state = {**state, "TimeoutSeconds": seconds}
        return self._originals["_execute_task"](state, raw_input, execution, context)

    def _scaled_sleep(self, seconds: float) -> None:
        run = current.get()
        if run is None:
            self._originals["_scaled_sleep"](seconds)
        else:
            run.sleep(seconds * self._states._SFN_WAIT_SCALE)

    def _call_lambda(self, reference: str, event: Any) -> Any:
        run = current.get()
        _, config, _ = self._functions._get_func_record_for_ref(reference)
        if run is not None and config:
            denial = self._rights.denial(run.role_arn, "states", function_need(reference, config))
            if denial is not None:
                cause = f"{denial} (Service: Lambda, Status Code: 403)"
                raise self._states._ExecutionError("Lambda.AWSLambdaException", cause)
        return self._originals["_call_lambda"](reference, event)

    def _invoke_resource(self, resource: str, parameters: Any) -> Any:
        run = current.get()
        if run is not None:
            run.check()
            if resource.startswith(RESOURCE):
                return self._transform.run(resource, parameters, run, None)
        return self._originals["_invoke_resource"](resource, parameters)

    def _invoke_resource_with_timeout(self, resource: str, parameters: Any, timeout: float) -> Any:
        """The time limit of a transform job's state stops the job."""
        run = current.get()
        if run is not None and resource.startswith(RESOURCE):
            run.check()
            return self._transform.run(resource, parameters, run, timeout)
        return self._originals["_invoke_resource_with_timeout"](resource, parameters, timeout)

    def _run_distributed_map(
        self, state: Any, raw_input: Any, effective: Any, iterator: Any, execution: Any, context: Any
    ) -> Any:
        run = current.get()
        if run is None:
            return self._originals["_run_distributed_map"](
                state, raw_input, effective, iterator, execution, context
            )
        need = Need("states:StartExecution", execution["stateMachineArn"])
        denial = self._rights.denial(run.role_arn, "states", need)
        if denial is not None:
            raise self._states._ExecutionError("States.Permissions", denial)
        try:
            return self._originals["_run_distributed_map"](
                state, raw_input, effective, iterator, execution, context
            )
        finally:
            if run.stopped:
                self._abort_children(run)
                run.check()

    def _abort_children(self, run: Run) -> None:
        """Give the stopped execution's map runs, and their children under way, their last status."""
        now = self._states.now_iso()
        arns = set()
        for found in self._states._map_runs.values():
            if found["executionArn"] == run.arn:
                arns.add(found["mapRunArn"])
                found.update(status="ABORTED", stopDate=now)
                for counts in (found["itemCounts"], found["executionCounts"]):
                    counts["aborted"] += counts["pending"] + counts["running"]
                    counts["pending"] = counts["running"] = 0
        for child in list(self._states._executions.values()):
            if child.get("mapRunArn") in arns and child["status"] == "RUNNING":
                child.update(status="ABORTED", stopDate=now)

    def _forget(self) -> None:
        """Drop the oldest executions that have ended, and the map runs of executions that are gone."""
        executions = self._states._executions
        ended = [item for item in list(executions.items()) if item[1]["status"] != "RUNNING"]
        ended.sort(key=lambda item: item[1].get("stopDate") or "")
        for arn, _ in ended[: max(0, len(ended) - KEPT_EXECUTIONS)]:
            executions.pop(arn, None)
        for arn, found in list(self._states._map_runs.items()):
            if found["executionArn"] not in executions:
                self._states._map_runs.pop(arn, None)
