"""Multipart forms, well made and not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.files.errors import MAX_UPLOAD_BYTES, FileTooLargeError, MalformedFormError
from orchestrator.files.multipart import MAX_PARTS, Form, drained, read_form
from prompting.errors import InvalidRequestError

from tests.orchestrator.conftest import Harness
from tests.orchestrator.filing import BOUNDARY, END, FORM, LINES, as_owner, part

PURPOSE = part("purpose", b"batch")
FILE = part("file", LINES, "lines.jsonl")


async def chunks(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def post(harness: Harness, body: bytes, content_type: str = FORM) -> tuple[int, str, str | None, str]:
    headers = {"content-type": content_type, **as_owner("ada")}
    response = await harness.request("POST", "/v1/files", content=body, headers=headers)
    if response.status_code == 200:
        return 200, "", None, ""
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"], error["message"]


@pytest.mark.anyio
@pytest.mark.parametrize("order", [PURPOSE + FILE, FILE + PURPOSE, b"preamble\r\n" + PURPOSE + FILE])
async def test_the_order_of_the_parts_does_not_matter(harness: Harness, order: bytes) -> None:
    status, *error = await post(harness, order + END + b"epilogue")
    if order.startswith(b"preamble"):
        assert error[0] == "invalid_multipart"
    else:
        assert status == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "code", "param", "message"),
    [
        (
            b"",
            "invalid_multipart",
            None,
            "The multipart form ends before its last boundary. Was the upload broken off?",
        ),
        (
            PURPOSE + FILE,
            "invalid_multipart",
            None,
            "The multipart form ends before its last boundary. Was the upload broken off?",
        ),
        (b"no form at all", "invalid_multipart", None, "The request's body is not a valid multipart form."),
        (PURPOSE + END, "missing_required_parameter", "file", "Missing required parameter: 'file'."),
        (FILE + END, "missing_required_parameter", "purpose", "Missing required parameter: 'purpose'."),
        (PURPOSE + FILE + FILE + END, "invalid_value", "file", "Only one 'file' is allowed."),
        (PURPOSE + PURPOSE + FILE + END, "invalid_value", "purpose", "Only one 'purpose' is allowed."),
        (
            PURPOSE + part("file", LINES) + END,
            "invalid_type",
            "file",
            "'file' must be sent as a file, with a file name.",
        ),
        (
            PURPOSE + part("upload", LINES, "a.jsonl") + END,
            "unknown_parameter",
            "upload",
            "Unknown parameter: 'upload'. The file's part is named 'file'.",
        ),
        (
            part("", b"batch") + FILE + END,
            "invalid_multipart",
            None,
            "A part of the multipart form has no name.",
        ),
        (
            f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nbatch\r\n".encode() + END,
            "invalid_multipart",
            None,
            "A part of the multipart form has no name.",
        ),
        (
            part("purpose", b"\xff") + FILE + END,
            "invalid_multipart",
            "purpose",
            "'purpose' is not valid UTF-8.",
        ),
        (
            PURPOSE + part("file", LINES, "x").replace(b'"x"', b'"\xff"') + END,
            "invalid_multipart",
            "filename",
            "'filename' is not valid UTF-8.",
        ),
        (
            b"".join(part(f"f{number}", b"") for number in range(MAX_PARTS + 1)) + END,
            "invalid_multipart",
            None,
            "The multipart form has more than 16 parts.",
        ),
    ],
)
async def test_malformed_forms_are_refused(
    harness: Harness, body: bytes, code: str, param: str | None, message: str
) -> None:
    assert await post(harness, body) == (400, code, param, message)
    assert harness.jobs.calls.names == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("content_type", "code", "message"),
    [
        (
            "multipart/form-data",
            "invalid_multipart",
            "The content type multipart/form-data has no 'boundary'.",
        ),
        (
            f"multipart/form-data; boundary={'x' * 500}",
            "invalid_multipart",
            "The request's body is not a valid multipart form.",
        ),
        (
            "application/jsonl",
            "invalid_content_type",
            (
                "Unsupported content type: send the file as multipart/form-data, "
                "or announce its upload as application/json."
            ),
        ),
    ],
)
async def test_other_content_types_are_refused(
    harness: Harness, content_type: str, code: str, message: str
) -> None:
    assert await post(harness, PURPOSE + FILE + END, content_type) == (400, code, None, message)


@pytest.mark.anyio
async def test_a_malformed_form_prints_nothing(harness: Harness, capfd: pytest.CaptureFixture[str]) -> None:
    """What a function prints is JSON, so the parser's warnings are kept back."""
    assert (await post(harness, b"no form at all"))[0] == 400
    assert capfd.readouterr() == ("", "")


@pytest.mark.anyio
async def test_a_refused_body_is_read_to_its_end_first() -> None:
    """And it is not kept: reading stops soon after Lambda's limit for requests."""
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        yield PURPOSE + FILE[: -len(LINES) - 2]
        while True:
            read += 1_000_000
            yield b"x" * 1_000_000

    content = body()
    with pytest.raises(FileTooLargeError):
        async with drained(content):
            await read_form(FORM, content)
    assert MAX_UPLOAD_BYTES + 16_000_000 <= read < MAX_UPLOAD_BYTES + 18_000_000


@given(st.data())
def test_the_form_is_the_same_wherever_it_is_cut(data: st.DataObject) -> None:
    """A boundary, a header or a character may be split; nothing in the file ends it but its boundary."""
    content = data.draw(
        st.binary(max_size=200).map(lambda raw: raw + b"\r\n--" + BOUNDARY.encode()[:-1] + raw)
    )
    body = PURPOSE + part("file", content, "ü.jsonl") + END
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=8)) | {0, len(body)})
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    assert run(read_form(FORM, chunks(*pieces))) == Form({"purpose": "batch"}, "ü.jsonl", content)


@given(st.integers(0, len(PURPOSE + FILE + END) - 4))
def test_whatever_is_broken_off_is_refused(length: int) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        run(read_form(FORM, chunks((PURPOSE + FILE + END)[:length])))
    assert isinstance(caught.value, MalformedFormError)


def run(reading: Coroutine[None, None, Form]) -> Form:
    return asyncio.run(reading)
