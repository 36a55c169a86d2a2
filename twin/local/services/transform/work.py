"""The execution of one transform job: instances, their objects, the objects' records."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import BinaryIO, Protocol

from twin.local.services.objects import Objects, ObjectsError, parse_uri
from twin.local.services.transform.plan import (
    InputError,
    InputObject,
    Plan,
    describe_settings,
    find_inputs,
)
from twin.local.services.transform.processing import RecordError
from twin.local.services.transform.reading import opened, payloads
from twin.local.services.transform.requests import ModelFailedError, Requests

_WINDOW = 4
"""Requests of an object that are prepared, running or waiting for earlier ones, per concurrent request."""


class Access(Protocol):
    """What the model's role may do with the job's data; each answers the denial's text, or None."""

    def list_denial(self, role: str, bucket: str, prefix: str) -> str | None:
        """Of listing a bucket below a prefix."""

    def read_denial(self, role: str, bucket: str, key: str) -> str | None:
        """Of reading an object."""

    def write_denial(self, role: str, bucket: str, key: str, kms_key: str | None) -> str | None:
        """Of writing an object, encrypted with `kms_key` or as the bucket says."""


class FullAccess:
    """Every role may do everything: for use without an IAM service."""

    def list_denial(self, role: str, bucket: str, prefix: str) -> str | None:
        return None

    def read_denial(self, role: str, bucket: str, key: str) -> str | None:
        return None

    def write_denial(self, role: str, bucket: str, key: str, kms_key: str | None) -> str | None:
        return None


class JobLog(Protocol):
    """Where a job's log lines go."""

    def __call__(self, job: str, lines: Sequence[str]) -> None:
        """Append lines to a job's log."""


class JobFailedError(Exception):
    """The job's `FailureReason`."""


class Work:
    """Carries a plan out, once."""

    def __init__(self, plan: Plan, objects: Objects, requests: Requests, access: Access, log: JobLog) -> None:
        self._plan = plan
        self._objects = objects
        self._requests = requests
        self._access = access
        self._log = log
        self._reasons: list[str] = []
        self._begun = 0
        self._written: list[tuple[str, str]] = []

    async def run(self) -> None:
        """Transform every object; an object that fails has no output and fails the job after the others.

        Raises JobFailedError.
        """
        settings = describe_settings(self._plan)
        self._write_log(", ".join(f"{name}={value}" for name, value in settings.items()))
        inputs = self._inputs()
        shares = [inputs[number :: self._plan.instances] for number in range(self._plan.instances)]
        async with asyncio.TaskGroup() as instances:
            for share in shares:
                instances.create_task(self._instance(share))
        if self._reasons:
            raise JobFailedError(self._reasons[0])

    def discard(self) -> None:
        """Remove what was written."""
        for bucket, key in self._written:
            self._objects.delete(bucket, key)

    def _inputs(self) -> list[InputObject]:
        bucket, key = parse_uri(self._plan.input_uri)
        listed = self._plan.data_type == "S3Prefix"
        denial = (self._access.list_denial if listed else self._access.read_denial)(
            self._plan.role, bucket, key
        )
        if denial is not None:
            raise JobFailedError(f"ClientError: {denial}")
        try:
            return find_inputs(self._plan, self._objects)
        except InputError as error:
            raise JobFailedError(f"ClientError: {error}") from None

    async def _instance(self, share: Sequence[InputObject]) -> None:
        """Whole objects are sent side by side; of objects that are split, one at a time."""
        slots = asyncio.Semaphore(self._plan.concurrency)
        pending = iter(share)
        lanes = 1 if self._plan.splits else self._plan.concurrency
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane(pending, slots))

    async def _lane(self, pending: Iterator[InputObject], slots: asyncio.Semaphore) -> None:
        for source in pending:
            try:
                await self._object(source, slots)
            except RecordError as error:
                self._fail(source, "ClientError", str(error))
            except ModelFailedError as error:
                kind = "ClientError" if 400 <= error.status < 500 else "AlgorithmError"
                self._fail(source, kind, str(error))

    def _fail(self, source: InputObject, kind: str, message: str) -> None:
        self._reasons.append(f"{kind}: See job logs for more information")
        self._write_log(*(f"{source.address}: {line}" for line in message.splitlines()))

    def _write_log(self, *lines: str) -> None:
        self._log(self._plan.name, [f"[sagemaker logs]: {line}" for line in lines])

    async def _object(self, source: InputObject, slots: asyncio.Semaphore) -> None:
        plan = self._plan
        bucket, key = plan.target(source)
        denial = self._access.read_denial(plan.role, source.bucket, source.key) or self._access.write_denial(
            plan.role, bucket, key, plan.output_key
        )
        if denial is not None:
            raise RecordError(denial)
        content = self._objects.open(source.bucket, source.key)
        if content is None:
            raise RecordError("The specified key does not exist.")
        with content, tempfile.TemporaryFile() as output:
            await self._transform(opened(content, plan), output, slots)
            output.seek(0)
            try:
                self._objects.put(bucket, key, output.read(), plan.output_type, plan.output_key)
            except ObjectsError as error:
                raise RecordError(str(error)) from None
            self._written.append((bucket, key))

    async def _transform(self, content: BinaryIO, output: BinaryIO, slots: asyncio.Semaphore) -> None:
        newline = b"\n" if self._plan.assembles_lines else b""
        async with aclosing(self._results(content, slots)) as groups:
            async for results in groups:
                for result in results:
                    output.write(result + newline)

    async def _results(self, content: BinaryIO, slots: asyncio.Semaphore) -> AsyncGenerator[list[bytes]]:
        """The results of each request, in the order of the object; a bounded number is under way."""
        window: deque[asyncio.Task[list[bytes]]] = deque()
        try:
            for records in _readable(payloads(content, self._plan)):
                request = self._requests.results(records, self._begun + 1, slots)
                self._begun += len(records)
                window.append(asyncio.create_task(request))
                if len(window) >= _WINDOW * self._plan.concurrency:
                    yield await window.popleft()
            while window:
                yield await window.popleft()
        finally:
            for task in window:
                task.cancel()
            await asyncio.gather(*window, return_exceptions=True)


def _readable(groups: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    """`groups`, with a broken archive being the client's error."""
    try:
        yield from groups
    except (OSError, EOFError) as error:
        raise RecordError(f"Unable to read the object: {error}") from None
