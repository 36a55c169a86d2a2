"""Lines from chunks that end anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from batch.lines import Line, documents, encode, groups, split
from hypothesis import given
from hypothesis import strategies as st

BYTES = st.binary(max_size=60) | st.text("ä\U0001f600a\r\n ", max_size=20).map(str.encode)


def whole(data: bytes) -> list[bytes]:
    """The lines, by Python's own means."""
    lines = data.split(b"\n")
    ended = lines if lines[-1] else lines[:-1]
    stripped = [line.removesuffix(b"\r") for line in ended]
    return [stripped[0].removeprefix(b"\xef\xbb\xbf"), *stripped[1:]] if stripped else []


@given(BYTES, st.integers(1, 8))
def test_lines_do_not_depend_on_where_chunks_end(data: bytes, size: int) -> None:
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    lines = list(split(chunks))
    assert [line.content for line in lines] == whole(data)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))


@pytest.mark.parametrize(
    ("data", "contents"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\n\n \nb", [b"a", b"", b" ", b"b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [b"a", b"\xef\xbb\xbfb"]),
        (b"", []),
        ("a\u2028b\n".encode(), ["a\u2028b".encode()]),
    ],
)
def test_lines_end_as_json_lines_do(data: bytes, contents: list[bytes]) -> None:
    assert [line.content for line in split([data])] == contents


def test_blank_lines_count() -> None:
    lines = [line for line in split([b"a\n\n \t\nb\n"]) if not line.blank]
    assert lines == [Line(1, b"a"), Line(4, b"b")]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_of_a_line_that_is_too_long_nothing_is_kept(size: int) -> None:
    data = b"12345\n123456\n1234567890\n1\n123456"
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    assert [line.content for line in split(chunks, limit=5)] == [b"12345", None, None, b"1", None]


def test_documents_are_the_lines_that_are_objects() -> None:
    data = b'{"a":1}\n[]\nnull\n\nnonsense\n' + b"[" * 100_000 + b'\n\xff\n{"b":2}'
    assert list(documents([data])) == [{"a": 1}, {"b": 2}]


def test_an_object_is_one_line() -> None:
    assert encode({"a": "ü\n"}) == '{"a":"ü\\n"}\n'.encode()


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 4), st.integers(1, 60))
def test_groups_have_so_many_lines_and_bytes_at_most(sizes: list[int], lines: int, size: int) -> None:
    given_lines = [{"n": "x" * each} for each in sizes]
    found = list(groups([b"".join(map(encode, given_lines))], lines, size))
    assert [line for group in found for line in group] == given_lines
    for group in found:
        assert 1 <= len(group) <= lines
        assert len(group) == 1 or sum(len(encode(line)) - 1 for line in group) <= size
    for one, following in pairwise(found):
        assert len(one) == lines or sum(len(encode(line)) - 1 for line in [*one, following[0]]) > size
