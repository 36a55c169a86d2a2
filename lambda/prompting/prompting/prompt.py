"""The prompt: who writes, from which sources, within the model's context.

Texts come from the persona in the environment and from the files in `templates/`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from prompting.errors import ContextLengthError, InvalidRequestError
from prompting.tokens import MESSAGE_OVERHEAD, REPLY_OVERHEAD, estimate_tokens

if TYPE_CHECKING:
    from retrieval import Passage

    from prompting.persona import Persona
    from prompting.request import ChatRequest

_TEMPLATES = Path(__file__).parent / "templates"
_SYSTEM_ROLES = {"system", "developer"}

MIN_DEFAULT_OUTPUT_TOKENS = 64
"""An answer whose length the client left open gets at least this, or the messages count as too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in tokens."""

    context: int
    output: int
    sources: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages for the model, the sources among them, and the limit of the answer in tokens."""

    messages: list[dict[str, Any]]
    sources: list[Passage]
    output_limit: tuple[str, int]
    estimated_tokens: int

    @property
    def grounded(self) -> bool:
        return bool(self.sources)

    @property
    def about_sources(self) -> dict[str, Any]:
        """The response's fields beside OpenAI's; sources have the numbers by which the answer cites them."""
        return {
            "citations": [source.url or source.document_id for source in self.sources],
            "search_results": [
                {"index": index, **asdict(source)} for index, source in enumerate(self.sources, start=1)
            ],
            "grounded": self.grounded,
        }

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """What the model is asked: the request's own fields, these messages, and the limit of the answer."""
        name, length = self.output_limit
        return {**request.passed_on(), "messages": self.messages, name: length}


@cache
def _template(name: str) -> Template:
    return Template((_TEMPLATES / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n"))


def render_source(number: int, source: Passage) -> str:
    """One `<source>` element; nothing in the passage can end it early."""
    attributes = "".join(
        f" {name}={quoteattr(' '.join(value.split()))}"
        for name, value in (("title", source.title), ("url", source.url))
        if value
    )
    return _template("source").substitute(number=number, attributes=attributes, text=escape(source.text))


def build_prompt(
    request: ChatRequest, persona: Persona, found: list[Passage] | None, limits: Limits
) -> Prompt:
    """Place as many of the `found` sources, best first, as fit the budgets.

    The estimate of the prompt and the answer's limit together never exceed the context. `found` is None
    where the client asked for no retrieval. Raises `ContextLengthError` when the messages alone do not
    fit, and `InvalidRequestError` when the client asks for a longer answer than the service gives.
    """
    conversation = [message.body() for message in request.messages if message.role not in _SYSTEM_ROLES]
    instructions = [message.text for message in request.messages if message.role in _SYSTEM_ROLES]
    texts = _persona_texts(persona, "\n\n".join(filter(None, instructions)))
    fixed = REPLY_OVERHEAD + sum(map(_estimate_message, conversation)) + _estimate_json(request.tools)

    system = _system_message("plain" if found is None else "ungrounded", texts)
    name, length = _output_limit(request, fixed + _estimate_message(system), limits)
    without_sources = _estimate_message(_system_message("grounded", {**texts, "sources": ""}))
    room = min(limits.sources, limits.context - length - fixed - without_sources)
    sources, rendered = _fitting(found or [], room)
    if sources:
        system = _system_message("grounded", {**texts, "sources": "\n".join(rendered)})
    return Prompt([system, *conversation], sources, (name, length), fixed + _estimate_message(system))


def _persona_texts(persona: Persona, client_text: str) -> dict[str, str]:
    texts = persona.model_dump()
    client = _template("client_instructions").substitute(text=client_text) if client_text else ""
    return {**texts, "client_instructions": client}


def _system_message(template: str, texts: dict[str, str]) -> dict[str, Any]:
    return {"role": "system", "content": _template(template).substitute(texts)}


def _fitting(found: list[Passage], room: int) -> tuple[list[Passage], list[str]]:
    """The longest run of `found` from its beginning that takes at most `room` tokens, and its elements."""
    elements: list[str] = []
    for number, source in enumerate(found, start=1):
        element = render_source(number, source)
        room -= estimate_tokens(element + "\n")
        if room < 0:
            break
        elements.append(element)
    return found[: len(elements)], elements


def _output_limit(request: ChatRequest, prompt_tokens: int, limits: Limits) -> tuple[str, int]:
    room = limits.context - prompt_tokens
    if request.output_limit is None:
        if room < min(MIN_DEFAULT_OUTPUT_TOKENS, limits.output):
            raise _too_long(prompt_tokens, None, limits)
        return "max_tokens", min(limits.output, room)
    name, length = request.output_limit
    if length > limits.output:
        message = f"{name} is too large: {length}. At most {limits.output} completion tokens are given."
        raise InvalidRequestError(message, param=name)
    if length > room:
        raise _too_long(prompt_tokens, length, limits)
    return name, length


def _too_long(prompt_tokens: int, output_tokens: int | None, limits: Limits) -> ContextLengthError:
    asked = f" and {output_tokens} are asked for in the completion" if output_tokens else ""
    return ContextLengthError(
        f"This model's maximum context length is {limits.context} tokens. However, the messages take "
        f"about {prompt_tokens} tokens{asked}. Please shorten the messages."
    )


def _estimate_message(message: dict[str, Any]) -> int:
    """Every value counts, whichever of them the chat template shows to the model."""
    return MESSAGE_OVERHEAD + sum(
        estimate_tokens(value) if isinstance(value, str) else _estimate_json(value)
        for value in message.values()
    )


def _estimate_json(value: Any) -> int:
    return 0 if value is None else estimate_tokens(json.dumps(value, ensure_ascii=False))
