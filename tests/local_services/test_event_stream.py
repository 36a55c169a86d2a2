"""The binary event stream, read by botocore's own parser."""

from __future__ import annotations

import json
from binascii import crc32
from typing import Any

from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.local.services.runtime.eventstream import encode_message, payload_part, stream_exception
from twin.local.services.runtime.payload_split import PayloadSplitter

NAMES = st.text(min_size=1, max_size=40).filter(lambda name: len(name.encode()) < 256)


@settings(deadline=None)
@given(headers=st.dictionaries(NAMES, st.text(max_size=60), max_size=5), payload=st.binary(max_size=300))
def test_botocore_reads_what_was_written(headers: dict[str, str], payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode_message(headers, payload))
    message: Any = next(iter(buffer))
    assert (message.headers, message.payload) == (headers, payload)


@settings(deadline=None)
@given(payloads=st.lists(st.binary(max_size=50), max_size=5), size=st.integers(1, 40))
def test_messages_survive_any_transport_chunking(payloads: list[bytes], size: int) -> None:
    stream = b"".join(map(payload_part, payloads))
    buffer = EventStreamBuffer()
    received: list[bytes] = []
    for start in range(0, len(stream), size):
        buffer.add_data(stream[start : start + size])
        received += [message.payload for message in buffer]
    assert received == payloads


def test_the_checksums_cover_prelude_and_message() -> None:
    message = payload_part(b"hello")
    assert int.from_bytes(message[:4], "big") == len(message)
    assert int.from_bytes(message[8:12], "big") == crc32(message[:8])
    assert int.from_bytes(message[-4:], "big") == crc32(message[:-4])


def test_headers_of_events_and_exceptions() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(payload_part(b"x"))
    buffer.add_data(stream_exception("ModelStreamError", {"Message": "m", "ErrorCode": "c"}))
    messages: list[Any] = list(buffer)
    event, error = messages
    assert event.headers == {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    assert error.headers == {
        ":exception-type": "ModelStreamError",
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    assert json.loads(error.payload) == {"Message": "m", "ErrorCode": "c"}


@settings(deadline=None)
@given(
    chunks=st.lists(st.text(max_size=20).map(str.encode), max_size=6),
    mode=st.sampled_from(["whole", "cut", "carry", "bytes:1", "bytes:3"]),
)
def test_cutting_keeps_the_bytes_and_repeats_itself(chunks: list[bytes], mode: str) -> None:
    def cut() -> list[bytes]:
        splitter = PayloadSplitter(mode)
        parts = [part for chunk in chunks for part in splitter.feed(chunk)]
        return parts + splitter.rest()

    assert b"".join(cut()) == b"".join(chunks)
    assert cut() == cut()
    assert b"" not in cut()
