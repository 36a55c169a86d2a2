"""Stores in memory, a clock, and crashes that tests decide on."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.batches import Batches
from jobs.settle import Settler
from jobs.stores import Due, Stores
from jobs.sweeper import Sweeper
from jobtable.events import Event
from jobtable.records import ANNOUNCING_SECONDS, Kind, Record
from jobtable.states import FINAL, OPEN

PAGE = 3


class FakeJobs:
    """`ending` hears of each job that ends: the record before, and what is changed."""

    def __init__(self, ending: Callable[[Record, Mapping[str, Any]], None] = lambda *_: None) -> None:
        self.records: dict[tuple[str, str], Record] = {}
        self.endings: list[tuple[str, str]] = []
        self._ending = ending

    def put(self, record: Record) -> None:
        self.records[record["owner"], record["id"]] = dict(record)

    def get(self, owner: str, job_id: str) -> Record | None:
        found = self.records.get((owner, job_id))
        return dict(found) if found else None

    def end(
        self, record: Record, fields: Mapping[str, Any], now: int, *, allowed: Collection[str]
    ) -> Record | None:
        stored = self.records.get((record["owner"], record["id"]))
        if stored is None or stored["status"] not in allowed:
            return None
        assert fields["status"] in FINAL
        self._ending(dict(stored), fields)
        self.endings.append((record["id"], fields["status"]))
        stored |= {name: value for name, value in fields.items() if value is not None}
        if record.get("client"):
            stored["due_at"] = now + ANNOUNCING_SECONDS
        else:
            self._leave_index(stored)
        return dict(stored)

    def notified(self, record: Record, now: int) -> bool:
        stored = self.records.get((record["owner"], record["id"]))
        if stored is None or stored["status"] not in FINAL or "notified_at" in stored:
            return False
        stored["notified_at"] = now
        self._leave_index(stored)
        return True

    def defer(self, record: Record, due_at: int) -> bool:
        stored = self.records.get((record["owner"], record["id"]))
        if stored is None or stored["status"] not in OPEN:
            return False
        stored["due_at"] = due_at
        return True

    def due(self, kind: Kind, now: int, start: Any = None) -> Due:
        found = sorted(
            (record["due_at"], *key)
            for key, record in self.records.items()
            if record.get("open") == kind and record["due_at"] <= now
        )
        rest = [each for each in found if start is None or each > start]
        last = rest[PAGE - 1] if len(rest) > PAGE else None
        return Due([(owner, job_id) for _, owner, job_id in rest[:PAGE]], last)

    def _leave_index(self, stored: Record) -> None:
        stored.pop("open", None)
        stored.pop("due_at", None)


class FakeObjects:
    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.hidden: set[str] = set()
        """Objects that are there, and can be deleted, but are not read yet."""

    def read(self, key: str, limit: int) -> bytes | None:
        found = None if key in self.hidden else self.contents.get(key)
        return None if found is None else found[:limit]

    def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            self.contents.pop(key, None)


class FakeEvents:
    def __init__(self) -> None:
        self.sent: list[Event] = []

    def send(self, event: Event) -> None:
        self.sent.append(json.loads(json.dumps(event)))


class FakeExecutions:
    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}
        self.documents: dict[str, dict[str, Any]] = {}

    def status(self, name: str) -> str | None:
        return self.statuses.get(name)

    def start(self, name: str, document: Mapping[str, Any]) -> None:
        if name not in self.statuses:
            self.statuses[name] = "RUNNING"
            self.documents[name] = dict(document)


class FakeTransforms:
    def __init__(self) -> None:
        self.running: set[str] = set()

    def stop(self, name: str) -> bool:
        if name in self.running:
            self.running.remove(name)
            return True
        return False


class FakeSecrets:
    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets
        self.known: dict[str, str] = {}

    def read(self, secret_id: str) -> str:
        return self.known.setdefault(secret_id, self.secrets[secret_id])

    def forget(self, secret_id: str) -> None:
        self.known.pop(secret_id, None)


class Kill(BaseException):
    """The invocation ends here, as at a time-out: nothing that it would still do happens."""


@dataclass
class Meddling:
    """Counts calls to the stores, and does something when the n-th, from 1, has been carried out."""

    at: int = 0
    action: Callable[[], None] = lambda: None
    calls: int = 0

    def after_call(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            self.action()

    @property
    def happened(self) -> bool:
        return self.calls >= self.at


class Meddled:
    """A store whose every call is meddled with."""

    def __init__(self, store: object, meddling: Meddling) -> None:
        self._store = store
        self._meddling = meddling

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = method(*arguments, **named)
            self._meddling.after_call()
            return result

        return call


@dataclass
class World:
    """All stores, with a clock that only tests advance."""

    jobs: FakeJobs = field(default_factory=FakeJobs)
    objects: FakeObjects = field(default_factory=FakeObjects)
    events: FakeEvents = field(default_factory=FakeEvents)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    transforms: FakeTransforms = field(default_factory=FakeTransforms)
    now: float = 1_000.0
    problems: list[tuple[str, Exception]] = field(default_factory=list)
    """Jobs that a sweep failed at, and why."""

    def clock(self) -> float:
        return self.now

    def stores(self, meddling: Meddling | None = None) -> Stores:
        parts: list[Any] = [self._meddled(each, meddling) for each in (self.jobs, self.objects, self.events)]
        return Stores(*parts)

    def settler(self, meddling: Meddling | None = None) -> Settler:
        return Settler(self.stores(meddling), self.clock)

    def batches(self, meddling: Meddling | None = None) -> Batches:
        executions = self._meddled(self.executions, meddling)
        transforms = self._meddled(self.transforms, meddling)
        return Batches(self.stores(meddling), executions, transforms, self.clock, "test")

    def sweeper(self, meddling: Meddling | None = None) -> Sweeper:
        def failed(job_id: str, error: Exception) -> None:
            self.problems.append((job_id, error))

        return Sweeper(
            self.stores(meddling), self.settler(meddling), self.batches(meddling), self.clock, failed
        )

    def _meddled(self, store: object, meddling: Meddling | None) -> Any:
        return Meddled(store, meddling) if meddling else store
