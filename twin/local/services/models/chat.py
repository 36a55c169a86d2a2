"""OpenAI chat completions as a vLLM server speaks them: requests, bodies, chunks, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_UNSUPPORTED = ("logprobs", "top_logprobs", "tools", "functions", "response_format", "guided_json")


class ChatError(Exception):
    """A request that the server refuses, as vLLM words and types it."""

    def __init__(self, message: str, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param

    def body(self) -> bytes:
        """The error as vLLM sends it."""
        kind = {400: "BadRequestError", 404: "NotFoundError"}.get(self.status, "InternalServerError")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.status}
        return json.dumps({"error": error}).encode()


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message, its text parts joined."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What the stand-in honours of a chat completions body."""

    messages: Sequence[ChatMessage]
    model: str
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: Sequence[str]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request."""

    prompt_tokens: int
    completion_tokens: int

    def as_json(self) -> dict[str, int]:
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": total,
            "completion_tokens": self.completion_tokens,
        }


def parse_request(body: bytes) -> ChatRequest:
    """Read a body; `ChatError` 400 for what vLLM refuses and for what no stand-in can do."""
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ChatError(f"Invalid JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("messages"), list) or not data["messages"]:
        raise ChatError("'messages' must be a non-empty list", param="messages")
    for name in _UNSUPPORTED:
        if data.get(name) not in (None, False, [], {"type": "text"}, 0):
            raise ChatError(f"'{name}' is not supported by this model server", param=name)
    if data.get("n") not in (None, 1):
        raise ChatError(f"n must be 1 when using greedy sampling, got {data['n']}.", param="n")
    options = data.get("stream_options") or {}
    stream = bool(data.get("stream"))
    if options and not stream:
        raise ChatError("Stream options can only be defined when `stream=True`.", param="stream_options")
    return ChatRequest(
        messages=[_message(item) for item in data["messages"]],
        model=str(data.get("model") or ""),
        stream=stream,
        include_usage=bool(options.get("include_usage")),
        max_tokens=_max_tokens(data),
        stop=_stop(data.get("stop")),
    )


def _message(item: object) -> ChatMessage:
    if not isinstance(item, dict) or not isinstance(item.get("role"), str):
        raise ChatError("each message must be an object with a role", param="messages")
    content = item.get("content")
    if isinstance(content, list):
        texts = [
            part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"
        ]
        if len(texts) != len(content) or not all(isinstance(text, str) for text in texts):
            raise ChatError("only text content parts are supported by this model", param="messages")
        content = "".join(str(text) for text in texts)
    if content is not None and not isinstance(content, str):
        raise ChatError("a message's content must be a string or a list of parts", param="messages")
    return ChatMessage(item["role"], content or "")


def _max_tokens(data: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = data.get(name)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ChatError(f"{name} must be at least 1, got {value}.", param=name)
            return value
    return None


def _stop(value: object) -> Sequence[str]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise ChatError("stop must be a non-empty string or a list of them", param="stop")
    return stops


@dataclass(frozen=True, slots=True)
class Completion:
    """Identity of one answer, from which its body or its chunks are made."""

    id: str
    created: int
    model: str

    def whole(self, text: str, finish_reason: str, usage: Usage) -> bytes:
        """The body of an answer that is not streamed."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        head = self._head("chat.completion")
        return json.dumps(
            {**head, "choices": [choice], "usage": usage.as_json()}, ensure_ascii=False
        ).encode()

    def delta(self, delta: Mapping[str, str], finish_reason: str | None = None) -> bytes:
        """One server-sent event of a streamed answer."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._event({"choices": [choice]})

    def usage(self, usage: Usage) -> bytes:
        """The event that `stream_options.include_usage` asks for."""
        return self._event({"choices": [], "usage": usage.as_json()})

    def _event(self, fields: Mapping[str, Any]) -> bytes:
        value = {**self._head("chat.completion.chunk"), **fields}
        return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


DONE = b"data: [DONE]\n\n"


class StopFilter:
    """Cuts a growing text before the first stop string, holding back what might become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """What may be sent now; after it, `stopped` says whether a stop string was met."""
        if not self._stops:
            return text
        held = self._held + text
        found = [position for stop in self._stops if (position := held.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return held[: min(found)]
        keep = max(self._overlap(held, stop) for stop in self._stops)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def rest(self) -> str:
        """What was held back and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _overlap(text: str, stop: str) -> int:
        """Length of the longest end of `text` that begins `stop`."""
        for size in range(min(len(text), len(stop) - 1), 0, -1):
            if text.endswith(stop[:size]):
                return size
        return 0
