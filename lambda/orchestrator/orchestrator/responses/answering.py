"""Responses that the realtime endpoint answers at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobtable import ids

from orchestrator.errors import ModelFailedError
from orchestrator.replies import EventStream
from orchestrator.responses.document import ABOUT_SOURCES, Document, Head, answered, echo_of
from orchestrator.responses.parsing import in_our_names, to_chat
from orchestrator.responses.stream import ResponseEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.chat import Chat
    from orchestrator.responses.request import ResponsesRequest
    from orchestrator.telemetry import Record


class Answering:
    def __init__(
        self, chat: Chat, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._chat = chat
        self._now_ms = now_ms

    async def respond(self, request: ResponsesRequest, record: Record) -> Document:
        """Return the response. Raises `ApiError`."""
        head = self._head(request)
        with in_our_names():
            completion = await self._chat.complete(to_chat(request), record)
        about = {name: completion[name] for name in ABOUT_SOURCES}
        try:
            return answered(head, completion, about, completed_at=self._now_ms() // 1000)
        except (LookupError, TypeError, AttributeError) as error:
            raise ModelFailedError from error

    async def stream(self, request: ResponsesRequest, record: Record) -> EventStream:
        """Return the events once the first token is there. Raises `ApiError`."""
        events = ResponseEvents(self._head(request))
        with in_our_names():
            chunks = await self._chat.stream(to_chat(request), record)
        return EventStream(events.of(chunks), record, events.failed)

    def _head(self, request: ResponsesRequest) -> Head:
        now_ms = self._now_ms()
        return Head(
            id=ids.new_id(ids.RESPONSE, now_ms),
            created_at=now_ms // 1000,
            model=request.model,
            echo=echo_of(request),
            metadata=request.metadata or {},
        )
