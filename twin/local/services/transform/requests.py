"""One request of a transform job to its model: filters, attempts, the join of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twin.local.services.models import ModelBackend, ModelStreamBrokenError
from twin.local.services.runtime.faults import Fault, Faults
from twin.local.services.transform.plan import Plan
from twin.local.services.transform.processing import RecordError

_BREATH_SECONDS = 0.005
_TOO_MANY_REQUESTS = 429
_UNANSWERED = "Unable to get response from algorithm"
_MISMATCH = "Fail to join data: mismatched line count between the input and the output"


class ModelFailedError(Exception):
    """The model did not answer as it should, after all attempts; `status` is HTTP's, 0 for no answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Turns:
    """Lets one request begin per round of the event loop, so that realtime requests come in between.

    A request of the stand-in is work for the processor from its beginning. While `busy` says that endpoints
    are answering, there is a pause between two beginnings.
    """

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        async with self._lock:
            await asyncio.sleep(_BREATH_SECONDS if self._busy() else 0)


@dataclass(frozen=True, slots=True)
class Requests:
    """Makes the requests of one job."""

    plan: Plan
    backend: ModelBackend
    faults: Faults
    turns: Turns
    retry_delay_seconds: float

    async def results(self, records: Sequence[bytes], number: int, slots: asyncio.Semaphore) -> list[bytes]:
        """What is written for `records`, the first of which is number `number` of the job.

        Raises RecordError for data that can't be processed, ModelFailedError for the model.
        """
        processing = self.plan.processing
        body = b"\n".join(processing.request(record) for record in records)
        async with slots:
            answer = await self._answer(body, number)
        if len(records) == 1:
            return [processing.result(records[0], answer)]
        if processing.keeps_answers:
            return [answer]
        answers = answer.splitlines()
        if len(answers) != len(records):
            raise RecordError(_MISMATCH)
        return [processing.result(record, line) for record, line in zip(records, answers, strict=True)]

    async def _answer(self, body: bytes, number: int) -> bytes:
        fault = self.faults.take_for_job(self.plan.name, number)
        for attempt in range(1, self.plan.attempts + 1):
            if fault is not None and 0 < fault.attempts < attempt:
                fault = None
            try:
                return await self._attempt(body, fault)
            except ModelFailedError as error:
                lasting = 400 <= error.status < 500 and error.status != _TOO_MANY_REQUESTS
                if lasting or attempt == self.plan.attempts:
                    raise
                await asyncio.sleep(self.retry_delay_seconds * attempt)
        raise AssertionError("a job makes at least one attempt")

    async def _attempt(self, body: bytes, fault: Fault | None) -> bytes:
        try:
            async with asyncio.timeout(self.plan.timeout_seconds):
                status, answer = await self._invoke(body, fault)
        except (TimeoutError, ModelStreamBrokenError):
            raise ModelFailedError(_UNANSWERED, 0) from None
        if status >= 400:
            text = answer.decode("utf-8", "replace")
            raise ModelFailedError(f"Bad HTTP status received from algorithm: {status}\n{text}", status)
        return answer

    async def _invoke(self, body: bytes, fault: Fault | None) -> tuple[int, bytes]:
        if fault is not None and fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        elif fault is not None:
            return fault.status, fault.message.encode()
        await self.turns.take()
        reply = await self.backend.invoke(body, self.plan.container)
        return reply.status, b"".join([chunk async for chunk in reply.body])
