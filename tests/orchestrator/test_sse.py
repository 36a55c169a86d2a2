"""Server-sent events survive any chunking."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.sse import DONE, DONE_EVENT, SseParser, event


def parse(*chunks: bytes) -> list[str]:
    parser = SseParser()
    return [data for chunk in chunks for data in parser.feed(chunk)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


LINES = st.one_of(
    st.builds(lambda text: f"data: {text}", st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))),
    st.sampled_from(["", "", ": comment", "event: error", "data", "data:", "id: 1", "\ufeffdata: x"]),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"]))).map(
    lambda lines: "".join(text + end for text, end in lines).encode()
)
PLACES = st.lists(st.integers(min_value=0, max_value=10_000), max_size=20)


@given(stream=STREAMS, places=PLACES)
def test_how_a_stream_is_cut_makes_no_difference(stream: bytes, places: list[int]) -> None:
    assert parse(*cut(stream, places)) == parse(stream)


@given(stream=st.binary(max_size=200), places=PLACES)
def test_how_any_bytes_are_cut_makes_no_difference(stream: bytes, places: list[int]) -> None:
    assert parse(*cut(stream, places)) == parse(stream)


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())), PLACES)
def test_what_is_written_is_read_back(values: list[dict[str, object]], places: list[int]) -> None:
    stream = b"".join(map(event, values)) + DONE_EVENT
    *data, done = parse(*cut(stream, places))
    assert [json.loads(each) for each in data] == values
    assert done == DONE


def test_every_byte_on_its_own() -> None:
    stream = 'data: {"a":"é€🙂"}\r\n\r\ndata: [DONE]\n\n'.encode()
    assert parse(*(bytes([byte]) for byte in stream)) == ['{"a":"é€🙂"}', "[DONE]"]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a\n\n", [" a"]),
        (b"data\n\n", [""]),
        (b": ping\n\ndata: a\n\n", ["a"]),
        (b"event: x\nid: 7\nretry: 1\ndata: a\n\n", ["a"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\n\n", ["a", "b"]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"\n\n\n", []),
        (b"data: \xff\n\n", ["\ufffd"]),
    ],
)
def test_the_standard_is_followed(stream: bytes, events: list[str]) -> None:
    assert parse(stream) == events


def test_an_event_is_one_line() -> None:
    assert event({"text": "one\ntwo é"}) == 'data: {"text":"one\\ntwo é"}\n\n'.encode()


def test_an_event_may_have_a_name() -> None:
    assert event({"a": 1}, "response.created") == b'event: response.created\ndata: {"a":1}\n\n'


def test_half_a_surrogate_pair_does_not_break_the_stream() -> None:
    assert event({"text": "\ud83d"}) == b'data: {"text":"?"}\n\n'
