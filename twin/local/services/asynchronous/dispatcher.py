"""Works the queues of asynchronous endpoints off: in order, as many requests at once as instances allow."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass

from twin.local.services.asynchronous import requests
from twin.local.services.asynchronous.backlog import Backlog
from twin.local.services.asynchronous.invocation import AsyncInvocation, Collaborators, Variant
from twin.local.services.asynchronous.outcomes import failed
from twin.local.services.asynchronous.requests import AsyncRequest
from twin.local.services.errors import ServiceError
from twin.local.services.runtime import errors
from twin.local.services.runtime.copies import CopyPool
from twin.local.services.runtime.faults import ACCEPTING, PROCESSING, REPORTING
from twin.local.services.runtime.invocation import AnswerLostError
from twin.local.services.runtime.state import RuntimeState
from twin.local.services.sagemaker.endpoint_configs import find_config
from twin.local.services.sagemaker.endpoints import endpoint_status
from twin.local.services.storage import Record

_logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
"""How often a queue that waits looks for capacity, expired requests and its endpoint's end."""


@dataclass(slots=True)
class _Queue:
    """What the process knows of one endpoint's queue, beside the stored requests."""

    changed: asyncio.Event
    worker: asyncio.Task[None]
    running: dict[int, asyncio.Task[None]]
    without_capacity_since: float | None = None


class Dispatcher:
    """The asynchronous side of the SageMaker runtime. Use from one event loop; `drop` from anywhere."""

    def __init__(
        self,
        runtime: RuntimeState,
        backlog: Backlog,
        collaborators: Collaborators,
        leave_zero: Callable[[str, str], bool],
    ) -> None:
        self._runtime = runtime
        self._backlog = backlog
        self._collaborators = collaborators
        self._leave_zero = leave_zero
        self._queues: dict[str, _Queue] = {}

    def accept(self, endpoint: str, header: Callable[[str], str | None], body: bytes) -> AsyncRequest:
        """Queue a request; ServiceError when it is refused, AnswerLostError where a fault says so."""
        record = self._runtime.endpoint(endpoint)
        config = find_config(self._runtime.sagemaker, record["EndpointConfigName"])
        if not config.get("AsyncInferenceConfig"):
            raise requests.not_asynchronous(endpoint)
        now = self._runtime.sagemaker.clock()
        request = requests.parse(endpoint, config["AsyncInferenceConfig"], header, body, now)
        fault = self._runtime.faults.take(endpoint, ACCEPTING)
        if fault is not None and fault.kind in errors.SERVICE_ERRORS:
            raise errors.SERVICE_ERRORS[fault.kind]()
        self._backlog.add(request, body)
        self._stir(endpoint)
        if fault is not None:
            raise AnswerLostError
        return request

    def resume(self) -> None:
        """Go on with what an earlier process left; the event loop must run."""
        for endpoint in self._backlog.endpoints():
            self._stir(endpoint)

    def drop(self, endpoint: str) -> None:
        """Forget an endpoint's requests; those that run end without output and notification."""
        self._backlog.drop(endpoint)

    async def stop(self) -> None:
        """Stop working; what has not ended is found again by the next process."""
        queues = list(self._queues.values())
        tasks = [queue.worker for queue in queues]
        tasks += [task for queue in queues for task in queue.running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def add_load(self, load: dict[str, dict[str, object]]) -> None:
        """Add the sizes of the queues to what `RuntimeState.load` tells."""
        for endpoint in {*self._queues, *self._backlog.endpoints()}:
            record = self._runtime.sagemaker.endpoints.get(endpoint)
            for name in record["Variants"] if record else ():
                entry = load.setdefault(_key(endpoint, name), {"outstanding_per_copy": [], "invocations": 0})
                running = len(self._queues[endpoint].running) if endpoint in self._queues else 0
                entry["backlog"] = self._backlog.waiting(endpoint) + running
                entry["running"] = running

    def _stir(self, endpoint: str) -> None:
        """Tell an endpoint's worker that something changed; start one where there is none."""
        queue = self._queues.get(endpoint)
        if queue is None:
            worker = asyncio.ensure_future(self._work(endpoint))
            self._queues[endpoint] = _Queue(asyncio.Event(), worker, {})
        else:
            queue.changed.set()

    async def _work(self, endpoint: str) -> None:
        """Run until the queue is empty and its last request has ended."""
        queue = self._queues[endpoint]
        try:
            while self._backlog.waiting(endpoint) or queue.running:
                queue.changed.clear()
                self._expire(endpoint, queue)
                variant = self._variant(endpoint)
                if variant is not None:
                    self._begin(endpoint, queue, variant)
                    self._await_capacity(endpoint, queue, variant)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_TICK_SECONDS):
                        await queue.changed.wait()
        finally:
            del self._queues[endpoint]

    def _expire(self, endpoint: str, queue: _Queue) -> None:
        for number, request in self._backlog.take_expired(endpoint, self._runtime.sagemaker.clock()):
            seconds = round(request.expires - request.received)
            reason = f"The request expired: it waited in the queue for longer than {seconds} seconds."
            self._start(queue, number, self._invocation(number, request, REPORTING).report(failed(reason)))

    def _begin(self, endpoint: str, queue: _Queue, variant: Variant) -> None:
        while len(queue.running) < variant.instances * variant.concurrency:
            taken = self._backlog.take(endpoint)
            if taken is None:
                return
            self._start(queue, taken[0], self._invocation(*taken, PROCESSING).run(variant))

    def _invocation(self, number: int, request: AsyncRequest, faults: Collection[str]) -> AsyncInvocation:
        fault = self._runtime.faults.take(request.endpoint, faults)
        return AsyncInvocation(self._runtime, self._backlog, self._collaborators, number, request, fault)

    @staticmethod
    def _start(queue: _Queue, number: int, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        queue.running[number] = task

        def done(ended: asyncio.Task[None]) -> None:
            del queue.running[number]
            queue.changed.set()
            if not ended.cancelled() and (error := ended.exception()) is not None:
                _logger.error("an asynchronous request ended with an error", exc_info=error)

        task.add_done_callback(done)

    def _await_capacity(self, endpoint: str, queue: _Queue, variant: Variant) -> None:
        """Leave zero instances after the time that AWS's alarm and a new instance would take."""
        if variant.instances or not self._backlog.waiting(endpoint):
            queue.without_capacity_since = None
            return
        now = time.monotonic()
        if queue.without_capacity_since is None:
            queue.without_capacity_since = now
        if now - queue.without_capacity_since >= self._runtime.options.asynchronous_wake_seconds:
            with contextlib.suppress(ServiceError):  # not while the endpoint is being updated
                self._leave_zero(endpoint, variant.name)

    def _variant(self, endpoint: str) -> Variant | None:
        """The endpoint's one variant; None while the endpoint does not take requests, or is gone."""
        state = self._runtime.sagemaker
        record = state.endpoints.get(endpoint)
        if record is None:
            self.drop(endpoint)
            return None
        if endpoint_status(state, record) not in ("InService", "Updating"):
            return None
        try:
            config = find_config(state, record["EndpointConfigName"])
            return self._described(record, config) if config.get("AsyncInferenceConfig") else None
        except ServiceError:  # configuration or model were deleted in use
            return None

    def _described(self, record: Record, config: Record) -> Variant:
        name = config["ProductionVariants"][0]["VariantName"]
        model = config["ProductionVariants"][0]["ModelName"]
        instances = int(record["Variants"][name]["DesiredInstanceCount"])
        container = self._runtime.container(model)
        limit = (config["AsyncInferenceConfig"].get("ClientConfig") or {}).get(
            "MaxConcurrentInvocationsPerInstance"
        )
        concurrency = int(limit or self._runtime.sequences(container))
        pool = self._runtime.pools.setdefault(_key(record["EndpointName"], name), CopyPool())
        pool.resize(instances, concurrency)
        role = self._runtime.sagemaker.models[model].get("ExecutionRoleArn")
        return Variant(name, instances, concurrency, container, pool, role)


def _key(endpoint: str, variant: str) -> str:
    return f"endpoint/{endpoint}/variant/{variant}"
