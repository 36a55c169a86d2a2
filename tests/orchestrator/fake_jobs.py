"""Stand-ins for what jobs reach outside the orchestrator. All keep what they were given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobtable import keys
from jobtable.records import Record, from_item, to_item
from jobtable.states import FINAL
from orchestrator.jobs.adapters import JobAdapters
from orchestrator.jobs.asynchronous import Submitted
from orchestrator.jobs.errors import ObjectMissingError, RecordChangedError, RecordExistsError

Hook = Callable[[str], Awaitable[None]]


@dataclass
class Calls:
    """What was called, in order. `before` and `after` may raise, wait, or cancel the caller.

    A call takes a turn of the event loop, so that concurrent requests interleave.
    """

    names: list[str] = field(default_factory=list)
    before: Hook | None = None
    after: Hook | None = None

    async def begin(self, name: str) -> None:
        self.names.append(name)
        await asyncio.sleep(0)
        if self.before is not None:
            await self.before(name)

    async def end(self, name: str) -> None:
        if self.after is not None:
            await self.after(name)


@dataclass
class FakeTable:
    calls: Calls = field(default_factory=Calls)
    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def records(self, owner: str, prefix: str = "") -> list[Record]:
        """The owner's records whose id begins so, oldest first."""
        return [
            from_item(item)
            for (of, record_id), item in sorted(self.items.items())
            if of == owner and record_id.startswith(prefix)
        ]

    async def get(self, owner: str, record_id: str) -> Record | None:
        await self.calls.begin("get")
        item = self.items.get((owner, record_id))
        await self.calls.end("get")
        return from_item(item) if item is not None else None

    async def put_new(self, *new: Mapping[str, Any]) -> None:
        await self.calls.begin("put_new")
        places = [(record["owner"], record["id"]) for record in new]
        if any(
            place in self.items and not _passed(from_item(self.items[place]), record["created_at"])
            for place, record in zip(places, new, strict=True)
        ):
            raise RecordExistsError
        self.items |= dict(zip(places, map(to_item, new), strict=True))
        await self.calls.end("put_new")

    async def change(
        self,
        owner: str,
        record_id: str,
        *,
        allowed: Collection[str],
        fields: Mapping[str, Any],
        absent: str | None = None,
        equal: Mapping[str, Any] | None = None,
    ) -> Record:
        await self.calls.begin("change")
        item = self.items.get((owner, record_id), {})
        if item.get("status", {}).get("S") not in allowed or (absent is not None and absent in item):
            raise RecordChangedError
        if any(item.get(name) != value for name, value in to_item(equal or {}).items()):
            raise RecordChangedError
        changed = {**item, **to_item(fields)}
        if "notified_at" in fields or (fields.get("status") in FINAL and "due_at" not in fields):
            changed = {name: value for name, value in changed.items() if name not in {"open", "due_at"}}
        self.items[owner, record_id] = changed
        await self.calls.end("change")
        return from_item(changed)

    async def delete(self, owner: str, record_id: str) -> Record | None:
        await self.calls.begin("delete")
        item = self.items.pop((owner, record_id), None)
        await self.calls.end("delete")
        return from_item(item) if item is not None else None

    async def delete_together(self, owner: str, *record_ids: str) -> None:
        await self.calls.begin("delete_together")
        for record_id in record_ids:
            self.items.pop((owner, record_id), None)
        await self.calls.end("delete_together")

    async def page(
        self, owner: str, prefix: str, *, after: str | None, limit: int, newest_first: bool = True
    ) -> list[Record]:
        await self.calls.begin("page")
        found = self.records(owner, prefix)
        if newest_first:
            found.reverse()
        behind = [
            record
            for record in found
            if after is None or (record["id"] < after if newest_first else record["id"] > after)
        ]
        return behind[: limit + 1]


def _passed(record: Record, now: int) -> bool:
    """Whether the record's time to live is over."""
    return "delete_at" in record and bool(record["delete_at"] <= now)


@dataclass
class FakeObjects:
    calls: Calls = field(default_factory=Calls)
    contents: dict[str, bytes] = field(default_factory=dict)
    part_bytes: int = 7

    async def get(self, key: str) -> bytes | None:
        await self.calls.begin("get object")
        return self.contents.get(key)

    async def stream(self, key: str) -> AsyncGenerator[bytes, None]:
        await self.calls.begin("stream object")
        if key not in self.contents:
            raise ObjectMissingError(key)
        content = self.contents[key]
        for start in range(0, len(content), self.part_bytes):
            yield content[start : start + self.part_bytes]

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        await self.calls.begin("put object")
        self.contents[key] = content
        await self.calls.end("put object")

    async def delete(self, key: str) -> None:
        await self.calls.begin("delete object")
        self.contents.pop(key, None)
        await self.calls.end("delete object")

    async def size(self, key: str) -> int | None:
        await self.calls.begin("size of object")
        content = self.contents.get(key)
        return None if content is None else len(content)

    def presigned_get(self, key: str, *, seconds: int) -> str:
        return f"https://exchange.test/{key}?seconds={seconds}"

    def presigned_put(self, key: str, *, seconds: int, content_length: int | None = None) -> str:
        return f"https://exchange.test/{key}?seconds={seconds}&length={content_length}"


@dataclass
class FakeQueue:
    calls: Calls = field(default_factory=Calls)
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, message: dict[str, Any]) -> None:
        await self.calls.begin("send")
        self.messages.append(message)
        await self.calls.end("send")


@dataclass
class FakeAsynchronousModel:
    """`submitted` has the inference id and the body, or the key of its object, of each request taken."""

    calls: Calls = field(default_factory=Calls)
    submitted: list[tuple[str, bytes | str]] = field(default_factory=list)

    async def submit(self, inference_id: str, body: bytes) -> Submitted:
        return await self._take(inference_id, body)

    async def submit_object(self, inference_id: str, key: str) -> Submitted:
        return await self._take(inference_id, key)

    async def _take(self, inference_id: str, request: bytes | str) -> Submitted:
        await self.calls.begin("submit")
        self.submitted.append((inference_id, request))
        await self.calls.end("submit")
        number = len(self.submitted)
        return Submitted(
            f"{keys.ASYNCHRONOUS_OUTPUT}{number}.out", f"{keys.ASYNCHRONOUS_FAILURE}{number}-error.out"
        )


@dataclass
class FakeStateMachine:
    calls: Calls = field(default_factory=Calls)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def start(self, name: str, value: dict[str, Any]) -> None:
        await self.calls.begin("start")
        self.executions.setdefault(name, value)
        await self.calls.end("start")


@dataclass
class FakeTransformJobs:
    calls: Calls = field(default_factory=Calls)
    stopped: list[str] = field(default_factory=list)

    async def stop(self, name: str) -> None:
        await self.calls.begin("stop")
        self.stopped.append(name)
        await self.calls.end("stop")


class FakeJobs:
    """All of them, sharing one list of calls."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.table = FakeTable(self.calls)
        self.objects = FakeObjects(self.calls)
        self.queue = FakeQueue(self.calls)
        self.asynchronous = FakeAsynchronousModel(self.calls)
        self.state_machine = FakeStateMachine(self.calls)
        self.transform_jobs = FakeTransformJobs(self.calls)

    @property
    def adapters(self) -> JobAdapters:
        return JobAdapters(
            self.table,
            self.objects,
            self.queue,
            self.asynchronous,
            self.state_machine,
            self.transform_jobs,
        )
