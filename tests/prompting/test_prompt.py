"""The prompt: persona, numbered sources, and never more than the model's context."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompting.errors import ContextLengthError, InvalidRequestError
from prompting.persona import Persona
from prompting.prompt import Limits, Prompt, build_prompt, render_source
from prompting.request import ChatRequest
from prompting.tokens import MESSAGE_OVERHEAD, REPLY_OVERHEAD, estimate_tokens
from retrieval import Passage

from tests.orchestrator.fakes import MODEL, PASSAGES, PERSONA

LIMITS = Limits(context=4096, output=512, sources=1024)


def build(
    found: list[Passage] | None, *messages: dict[str, Any], limits: Limits = LIMITS, **fields: Any
) -> Prompt:
    request = ChatRequest.model_validate(
        {"model": MODEL, "messages": list(messages) or [{"role": "user", "content": "Why?"}], **fields}
    )
    return build_prompt(request, Persona(**PERSONA), found, limits)


def test_sources_are_numbered_in_the_system_message() -> None:
    prompt = build(list(PASSAGES[:2]))
    assert prompt.messages == [
        {
            "role": "system",
            "content": "You write as Ada.\n\nWrite plainly.\n\nCite sources like [1].\n\n<sources>\n"
            '<source id="1" title="On copies" url="https://ada.example/copies">\n'
            "Copies are cheap.\n</source>\n"
            '<source id="2">\nTokens stream.\n</source>\n</sources>',
        },
        {"role": "user", "content": "Why?"},
    ]
    assert prompt.grounded
    assert prompt.output_limit == ("max_tokens", 512)


def test_without_a_source_the_answer_is_to_say_so() -> None:
    prompt = build([])
    assert (
        prompt.messages[0]["content"]
        == "You write as Ada.\n\nWrite plainly.\n\nSay that no source was found."
    )
    assert not prompt.grounded


def test_without_retrieval_the_persona_is_all() -> None:
    assert build(None).messages[0]["content"] == "You write as Ada.\n\nWrite plainly."


@pytest.mark.parametrize("found", [None, [], list(PASSAGES)])
def test_the_clients_instructions_join_the_one_system_message(found: list[Passage] | None) -> None:
    prompt = build(
        found,
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Use $name."},
        {"role": "user", "content": "Why?"},
    )
    assert [message["role"] for message in prompt.messages] == ["system", "user"]
    added = "The application that asks adds these instructions:\n\nBe brief.\n\nUse $name."
    assert added in prompt.messages[0]["content"]


@given(st.text(), st.none() | st.text(), st.none() | st.text())
def test_no_passage_can_leave_its_element(text: str, title: str | None, url: str | None) -> None:
    element = render_source(3, Passage("d", text, 1.0, title, url))
    assert re.findall(r"</?source\b", element) == ["<source", "</source"]
    assert element.count("<") == 2
    assert element.split("\n", 1)[0].endswith(">")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_a_passage_is_what_an_xml_parser_reads(text: str) -> None:
    element = ET.fromstring(render_source(1, Passage("d", text, 1.0, text, text)))  # noqa: S314 - ours
    assert element.text == f"\n{text}\n"
    told = " ".join(text.split())
    assert element.attrib == {"id": "1"} | ({"title": told, "url": told} if text else {})


def test_a_title_is_told_on_one_line() -> None:
    element = render_source(1, Passage("d", "text", 1.0, 'On\n copies\tof "it"'))
    assert element.split("\n")[0] == """<source id="1" title='On copies of "it"'>"""


TEXTS = st.text(max_size=300) | st.text("abc de", min_size=100, max_size=1500)
FOUND = st.none() | st.lists(
    st.builds(
        Passage,
        document_id=st.just("d"),
        text=TEXTS,
        score=st.just(0.5),
        title=st.none() | st.text(max_size=30),
    ),
    max_size=8,
)


@given(
    found=FOUND,
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    limits=st.builds(
        Limits,
        context=st.integers(100, 3000),
        output=st.integers(1, 1000),
        sources=st.integers(0, 2000),
    ),
    asked=st.none() | st.integers(1, 1200),
)
def test_prompt_and_answer_never_exceed_the_context(
    found: list[Passage] | None, texts: list[str], limits: Limits, asked: int | None
) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    fields = {} if asked is None else {"max_tokens": asked}
    try:
        prompt = build(found, *messages, limits=limits, **fields)
    except InvalidRequestError:
        return
    estimate = sum(estimate_tokens(message["content"]) + MESSAGE_OVERHEAD for message in prompt.messages)
    assert estimate + REPLY_OVERHEAD + prompt.output_limit[1] <= limits.context
    assert prompt.output_limit[1] <= limits.output
    elements = "\n".join(render_source(number, source) for number, source in enumerate(prompt.sources, 1))
    assert estimate_tokens(elements) <= limits.sources
    assert prompt.sources == (found or [])[: len(prompt.sources)]
    if elements:
        assert elements in prompt.messages[0]["content"]


def test_the_best_sources_are_kept() -> None:
    found = [Passage(str(number), "word " * 60, 0.9) for number in range(9)]
    one = estimate_tokens(render_source(1, found[0]) + "\n")
    prompt = build(found, limits=Limits(context=4096, output=512, sources=3 * one + 1))
    assert [source.document_id for source in prompt.sources] == ["0", "1", "2"]


def test_the_budget_of_the_sources_is_used_to_its_end() -> None:
    found = [Passage(str(number), "word " * 60, 0.9) for number in range(9)]
    one = estimate_tokens(render_source(1, found[0]) + "\n")
    for budget, number in ((2 * one, 2), (2 * one - 1, 1)):
        assert len(build(found, limits=Limits(context=4096, output=512, sources=budget)).sources) == number


def test_a_source_that_does_not_fit_lets_no_worse_one_pass() -> None:
    found = [Passage("long", "word " * 600, 0.9), Passage("short", "word", 0.5)]
    assert build(found, limits=Limits(context=4096, output=512, sources=300)).sources == []


def test_sources_yield_to_the_answer() -> None:
    found = [Passage("d", "word " * 60, 0.9)]
    limits = Limits(context=700, output=600, sources=1024)
    prompt = build(found, limits=limits)
    assert prompt.output_limit == ("max_tokens", 600)
    assert prompt.sources == []


def test_an_open_answer_shrinks_before_messages_are_too_long() -> None:
    limits = Limits(context=700, output=600, sources=1024)
    prompt = build([], {"role": "user", "content": "word " * 150}, limits=limits)
    assert 64 <= prompt.output_limit[1] < 600
    assert prompt.estimated_tokens + prompt.output_limit[1] == 700


def test_messages_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ContextLengthError) as caught:
        build([], {"role": "user", "content": "word " * 3000})
    assert caught.value.message == (
        "This model's maximum context length is 4096 tokens. However, the messages take about 5057 tokens. "
        "Please shorten the messages."
    )


def test_an_answer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ContextLengthError) as caught:
        build([], {"role": "user", "content": "word " * 2200}, max_completion_tokens=500)
    assert caught.value.message == (
        "This model's maximum context length is 4096 tokens. However, the messages take about 3724 tokens "
        "and 500 are asked for in the completion. Please shorten the messages."
    )


def test_an_answer_that_just_fits_is_given() -> None:
    used = build([]).estimated_tokens
    assert build([], limits=Limits(used + 300, 500, 0), max_tokens=300).output_limit == ("max_tokens", 300)
    with pytest.raises(ContextLengthError):
        build([], limits=Limits(used + 299, 500, 0), max_tokens=300)


def test_where_answers_are_always_short_they_need_no_more_room() -> None:
    used = build([]).estimated_tokens
    assert build([], limits=Limits(used + 20, 20, 0)).output_limit == ("max_tokens", 20)
    with pytest.raises(ContextLengthError):
        build([], limits=Limits(used + 63, 500, 0))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_longer_answer_than_the_service_gives_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build([], limits=LIMITS, **{name: 513})
    assert caught.value.message == f"{name} is too large: 513. At most 512 completion tokens are given."
    assert caught.value.param == name
    assert build([], limits=LIMITS, **{name: 512}).output_limit == (name, 512)


def test_of_two_limits_the_newer_field_counts() -> None:
    prompt = build([], max_tokens=10, max_completion_tokens=20)
    assert prompt.output_limit == ("max_completion_tokens", 20)


def test_tools_and_tool_calls_count() -> None:
    tools = [{"type": "function", "function": {"name": "look", "description": "x" * 300}}]
    assert build([], tools=tools).estimated_tokens >= build([]).estimated_tokens + 100
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": json.dumps("y" * 300)}}
    plain = build([], {"role": "assistant", "content": "x"}).estimated_tokens
    assert (
        build([], {"role": "assistant", "content": "x", "tool_calls": [call]}).estimated_tokens >= plain + 100
    )
