"""The events of a streamed response, from the chunks of a chat completion."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator import sse
from orchestrator.responses import document
from orchestrator.responses.document import IN_PROGRESS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from prompting.errors import ApiError

    from orchestrator.responses.document import Document, Head


@dataclass(slots=True)
class _Message:
    """The item of the answer's text, as far as it has come."""

    id: str
    index: int
    text: str = ""

    def item(self, head: Head, sources: list[Document], *, whole: bool) -> Document:
        return document.message_item(head.id, self.text, sources, whole=whole)


@dataclass(slots=True)
class _Call:
    """The item of a call; `number` is the call's among the answer's calls."""

    id: str
    index: int
    number: int
    call_id: str
    name: str
    arguments: str = ""

    def item(self, head: Head, _: list[Document], *, whole: bool) -> Document:
        return document.call_item(head.id, self.number, self.call_id, self.name, self.arguments, whole=whole)


class ResponseEvents:
    """Numbers the events, and knows what of the response has been sent. For one response."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._sent = 0
        self._about: Document = {"citations": [], "search_results": [], "grounded": False}
        self._items: list[_Message | _Call] = []
        self._finish_reason: str | None = None
        self._usage: Document | None = None

    async def of(self, chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[bytes, None]:
        """Yield the events, the first ones once the first chunk is there. Raises what `chunks` raise."""
        async with aclosing(chunks):
            async for chunk in chunks:
                if self._sent == 0:
                    self._about |= {name: chunk[name] for name in document.ABOUT_SOURCES if name in chunk}
                    begun = self._head.document(IN_PROGRESS, **self._about)
                    yield self._event("response.created", response=begun)
                    yield self._event("response.in_progress", response=begun)
                for event in self._follow(chunk):
                    yield event
        for event in self._end():
            yield event

    def failed(self, error: ApiError) -> bytes:
        """The last event of a response that broke off."""
        response = document.failed(self._head, error, output=self._output(whole=False), **self._about)
        return self._event("response.failed", response=response)

    def _follow(self, chunk: dict[str, Any]) -> Iterator[bytes]:
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", []):
            delta = choice.get("delta") or {}
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            if text := delta.get("content"):
                yield from self._add_text(text)
            for call in delta.get("tool_calls") or []:
                yield from self._add_arguments(call)

    def _add_text(self, text: str) -> Iterator[bytes]:
        message = next((item for item in self._items if isinstance(item, _Message)), None)
        if message is None:
            message = self._message()
            yield from self._begin_message(message)
        message.text += text
        place = self._text_place(message)
        yield self._event("response.output_text.delta", **place, delta=text, logprobs=[])

    def _message(self) -> _Message:
        return _Message(document.message_item_id(self._head.id), len(self._items))

    def _begin_message(self, message: _Message) -> Iterator[bytes]:
        yield self._begin(message, content=[])
        part = document.text_part("", [])
        yield self._event("response.content_part.added", **self._text_place(message), part=part)

    def _add_arguments(self, delta: dict[str, Any]) -> Iterator[bytes]:
        """A call's first delta has its id and name; each may have a part of its arguments."""
        number, function = delta.get("index", 0), delta.get("function") or {}
        calls = (item for item in self._items if isinstance(item, _Call))
        call = next((call for call in calls if call.number == number), None)
        if call is None:
            item_id, index = document.call_item_id(self._head.id, number), len(self._items)
            call_id, name = delta.get("id") or f"call_{number}", function.get("name") or ""
            call = _Call(item_id, index, number, call_id, name)
            yield self._begin(call)
        if arguments := function.get("arguments"):
            call.arguments += arguments
            yield self._event("response.function_call_arguments.delta", **self._place(call), delta=arguments)

    def _begin(self, item: _Message | _Call, **fields: Any) -> bytes:
        self._items.append(item)
        begun = {**self._document(item, whole=False), "status": IN_PROGRESS, **fields}
        return self._event("response.output_item.added", output_index=item.index, item=begun)

    def _end(self) -> Iterator[bytes]:
        if not self._items:
            yield from self._begin_message(self._message())
        output = self._output(whole=document.is_whole(self._finish_reason))
        for item, finished in zip(self._items, output, strict=True):
            yield from self._finish(item, finished)
            yield self._event("response.output_item.done", output_index=item.index, item=finished)
        response = document.ended(self._head, self._finish_reason, output, self._usage, **self._about)
        yield self._event(f"response.{response['status']}", response=response)

    def _finish(self, item: _Message | _Call, finished: Document) -> Iterator[bytes]:
        if isinstance(item, _Call):
            arguments = {"name": item.name, "arguments": item.arguments}
            yield self._event("response.function_call_arguments.done", **self._place(item), **arguments)
            return
        [part] = finished["content"]
        place = self._text_place(item)
        for number, annotation in enumerate(part["annotations"]):
            yield self._event(
                "response.output_text.annotation.added",
                **place,
                annotation_index=number,
                annotation=annotation,
            )
        yield self._event("response.output_text.done", **place, text=part["text"], logprobs=[])
        yield self._event("response.content_part.done", **place, part=part)

    def _output(self, *, whole: bool) -> list[Document]:
        return [self._document(item, whole=whole) for item in self._items]

    def _document(self, item: _Message | _Call, *, whole: bool) -> Document:
        return item.item(self._head, self._about["search_results"], whole=whole)

    def _place(self, item: _Message | _Call) -> Document:
        return {"item_id": item.id, "output_index": item.index}

    def _text_place(self, message: _Message) -> Document:
        return {**self._place(message), "content_index": 0}

    def _event(self, name: str, /, **fields: Any) -> bytes:
        number = self._sent
        self._sent += 1
        return sse.event({"type": name, "sequence_number": number, **fields}, name)
