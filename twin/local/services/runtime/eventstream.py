"""AWS's binary event stream (`application/vnd.amazon.eventstream`), writing side.

A message is: total length (u32), headers' length (u32), CRC-32 of these 8 bytes, headers, payload, CRC-32 of
everything before; all big-endian. A header is: name length (u8), name, type 7, value length (u16), value.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_FIXED_BYTES = 16


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; header values are strings."""
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", _FIXED_BYTES + len(encoded) + len(payload), len(encoded))
    body = prelude + struct.pack("!I", crc32(prelude)) + encoded + payload
    return body + struct.pack("!I", crc32(body))


def _header(name: str, value: str) -> bytes:
    key, content = name.encode(), value.encode()
    return bytes([len(key)]) + key + struct.pack("!BH", _STRING, len(content)) + content


def payload_part(data: bytes) -> bytes:
    """A `PayloadPart` event: bytes of the model's response body."""
    headers = {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    return encode_message(headers, data)


def stream_exception(kind: str, fields: Mapping[str, str]) -> bytes:
    """A modeled exception in the stream: `ModelStreamError` or `InternalStreamFailure`."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode_message(headers, json.dumps(fields).encode())
