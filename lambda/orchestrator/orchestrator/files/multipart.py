"""Reading an upload: a multipart form of short fields and one file."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompting.errors import InvalidRequestError

from orchestrator.files.errors import MAX_UPLOAD_BYTES, FileTooLargeError, MalformedFormError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_FIELD_BYTES = 4_096
MAX_PARTS = 16
_DRAINED_BYTES = 16_000_000

_FILE = "file"

logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # else it would print text, not JSON


@dataclass(frozen=True, slots=True)
class Form:
    """Values of the fields by name, and the file."""

    fields: dict[str, str]
    filename: str
    content: bytes


async def read_form(content_type: str, body: AsyncIterator[bytes]) -> Form:
    """Raises `MalformedFormError`, `FileTooLargeError`, and `InvalidRequestError` for a form's fields.

    Of the file, no more than what a request may carry is held at any time.
    """
    reader = _Reader(content_type)
    async for chunk in body:
        reader.feed(chunk)
    return reader.form()


@asynccontextmanager
async def drained(body: AsyncIterator[bytes]) -> AsyncIterator[None]:
    """Read what is left of the body before a refusal: a client that is still sending cannot read one."""
    try:
        yield
    except InvalidRequestError:
        size = 0
        async for chunk in body:
            size += len(chunk)
            if size > _DRAINED_BYTES:
                break
        raise


@dataclass(slots=True)
class _Part:
    disposition: bytes = b""
    name: str = ""
    filename: str | None = None
    content: bytearray = field(default_factory=bytearray)


class _Reader:
    """Takes the body piece by piece; what the parser of the multipart format reports is put together here."""

    def __init__(self, content_type: str) -> None:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

        self._parse_options = parse_options_header
        self._parser_error = FormParserError
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise MalformedFormError("The content type multipart/form-data has no 'boundary'.")
        self._part = _Part()
        self._header = [bytearray(), bytearray()]
        self._parts: dict[str, _Part] = {}
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_part_data": self._on_part_data,
                    "on_header_begin": self._on_header_begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MalformedFormError from error

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except self._parser_error as error:
            raise MalformedFormError from error

    def form(self) -> Form:
        """The whole form, once the body has ended."""
        if not self._ended:
            message = "The multipart form ends before its last boundary. Was the upload broken off?"
            raise MalformedFormError(message)
        file = self._parts.pop(_FILE, None)
        if file is None or file.filename is None:
            message = "Missing required parameter: 'file'."
            raise InvalidRequestError(message, param=_FILE, code="missing_required_parameter")
        fields = {name: _text(name, part.content) for name, part in self._parts.items()}
        return Form(fields, file.filename, bytes(file.content))

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_begin(self) -> None:
        self._header = [bytearray(), bytearray()]

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _on_header_end(self) -> None:
        name, value = self._header
        if bytes(name).lower() == b"content-disposition":
            self._part.disposition = bytes(value)

    def _on_headers_finished(self) -> None:
        _, options = self._parse_options(self._part.disposition)
        part = self._part
        part.name = _text("name", options.get(b"name", b""))
        if not part.name:
            raise MalformedFormError("A part of the multipart form has no name.")
        if b"filename" in options:
            part.filename = _text("filename", options[b"filename"])
            if part.name != _FILE:
                message = f"Unknown parameter: '{part.name}'. The file's part is named 'file'."
                raise InvalidRequestError(message, param=part.name, code="unknown_parameter")
        elif part.name == _FILE:
            message = "'file' must be sent as a file, with a file name."
            raise InvalidRequestError(message, param=_FILE, code="invalid_type")
        if part.name in self._parts:
            message = f"Only one '{part.name}' is allowed."
            raise InvalidRequestError(message, param=part.name)
        if len(self._parts) == MAX_PARTS:
            raise MalformedFormError(f"The multipart form has more than {MAX_PARTS} parts.")
        self._parts[part.name] = part

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        part.content += data[start:end]
        if part.filename is not None and len(part.content) > MAX_UPLOAD_BYTES:
            raise FileTooLargeError
        if part.filename is None and len(part.content) > MAX_FIELD_BYTES:
            message = f"'{part.name}' is longer than {MAX_FIELD_BYTES:,} bytes."
            raise InvalidRequestError(message, param=part.name)

    def _on_end(self) -> None:
        self._ended = True


def _text(name: str, value: bytes | bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedFormError(f"'{name}' is not valid UTF-8.", param=name) from None
