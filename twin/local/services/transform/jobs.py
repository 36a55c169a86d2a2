"""Transform jobs from their creation to their last status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twin.local.services.events import EventSink
from twin.local.services.models import ModelBackend
from twin.local.services.objects import Objects
from twin.local.services.runtime.faults import Faults
from twin.local.services.sagemaker.state import SageMakerState
from twin.local.services.storage import Record
from twin.local.services.transform.plan import Plan
from twin.local.services.transform.requests import Requests, Turns
from twin.local.services.transform.work import Access, FullAccess, JobFailedError, JobLog, Work

_logger = logging.getLogger(__name__)

FINAL = frozenset({"Completed", "Failed", "Stopped"})
INTERNAL_ERROR = "InternalServerError: We encountered an internal error. Please try again."
DETAIL_TYPE = "SageMaker Transform Job State Change"
_TIMES = ("CreationTime", "TransformStartTime", "TransformEndTime")


@dataclass(frozen=True, slots=True)
class TransformOptions:
    """On AWS an instance takes some minutes to start."""

    start_delay_seconds: float = 0.0
    retry_delay_seconds: float = 0.1


def _no_log(job: str, lines: Sequence[str]) -> None:
    del job, lines


class TransformJobs:
    """Runs the control plane's transform jobs in the event loop that their requests are served in.

    `access` and `log` are set by the process that has an IAM service and log groups.
    """

    def __init__(
        self,
        sagemaker: SageMakerState,
        backend: ModelBackend,
        objects: Objects,
        faults: Faults,
        *,
        busy: Callable[[], bool],
        announce: EventSink,
        options: TransformOptions | None = None,
    ) -> None:
        self.access: Access = FullAccess()
        self.log: JobLog = _no_log
        self._state = sagemaker
        self._backend = backend
        self._objects = objects
        self._faults = faults
        self._turns = Turns(busy)
        self._announce = announce
        self._options = options or TransformOptions()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def begin(self, name: str) -> None:
        """Run a job that was just stored."""
        task = asyncio.get_running_loop().create_task(self._run(name))
        self._tasks[name] = task
        # A task that is cancelled before it began runs none of its own code.
        task.add_done_callback(lambda done: self._settle(name, done))
        self._tell(name)

    def stop(self, name: str) -> None:
        """End a job early. SageMaker does not store the output of such a job, so what was written goes."""
        self._change(name, TransformJobStatus="Stopping")
        self._tasks[name].cancel()

    def when_ended(self, name: str, callback: Callable[[], None]) -> None:
        """Call `callback` once when the job has its last status: at once if it has."""
        if self._state.transform_jobs[name]["TransformJobStatus"] in FINAL:
            callback()
        else:
            self._waiting.setdefault(name, []).append(callback)

    def resume(self) -> None:
        """Settle the jobs that were running when the local cloud last ended."""
        for name in self._state.transform_jobs:
            status = self._state.transform_jobs[name]["TransformJobStatus"]
            if status == "Stopping":
                self._end(name, "Stopped")
            elif status not in FINAL:
                self._end(name, "Failed", INTERNAL_ERROR)

    async def shutdown(self) -> None:
        """Let go of running jobs; `resume` settles them when the local cloud starts again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, name: str) -> None:
        await asyncio.sleep(self._options.start_delay_seconds)
        self._change(name, TransformStartTime=self._state.clock())
        plan = Plan.of(self._state, self._state.transform_jobs[name])
        requests = Requests(plan, self._backend, self._faults, self._turns, self._options.retry_delay_seconds)
        work = Work(plan, self._objects, requests, self.access, self.log)
        try:
            await work.run()
        except asyncio.CancelledError:
            if self._state.transform_jobs[name]["TransformJobStatus"] == "Stopping":
                work.discard()
            raise

    def _settle(self, name: str, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if task.cancelled():
            if self._state.transform_jobs[name]["TransformJobStatus"] == "Stopping":
                self._end(name, "Stopped")
            return
        error = task.exception()
        if error is None:
            self._end(name, "Completed")
        elif isinstance(error, JobFailedError):
            self._end(name, "Failed", str(error))
        else:
            _logger.error("transform job %s broke", name, exc_info=error)
            self._end(name, "Failed", INTERNAL_ERROR)

    def _end(self, name: str, status: str, reason: str | None = None) -> None:
        fields: Record = {"TransformJobStatus": status, "TransformEndTime": self._state.clock()}
        self._change(name, **fields, **({"FailureReason": reason} if reason else {}))
        for callback in self._waiting.pop(name, []):
            callback()

    def _change(self, name: str, **fields: Any) -> None:
        before = self._state.transform_jobs[name]
        after = {**before, **fields, "LastModifiedTime": self._state.clock()}
        self._state.transform_jobs[name] = after
        if after["TransformJobStatus"] != before["TransformJobStatus"]:
            self._tell(name)

    def _tell(self, name: str) -> None:
        detail = self.detail(name)
        self._announce(DETAIL_TYPE, [detail["TransformJobArn"]], detail)

    def detail(self, name: str) -> Record:
        """The job as events and Step Functions show it: tags as an object, times in milliseconds."""
        record = self._state.transform_jobs[name]
        shown = {key: value for key, value in record.items() if key != "LastModifiedTime"}
        times = {key: round(shown[key] * 1000) for key in _TIMES if key in shown}
        return {**shown, **times, "Tags": self._state.tags.get(record["TransformJobArn"], {})}
