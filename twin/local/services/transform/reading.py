"""Cuts an input object into what single requests carry, without holding more than one of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import BinaryIO, cast

from twin.local.services.transform.plan import Plan
from twin.local.services.transform.processing import RecordError

TOO_LARGE = "Too much data for max payload size"


def opened(content: BinaryIO, plan: Plan) -> BinaryIO:
    """The object's content as it is to be cut: decompressed where the job says so."""
    return cast(BinaryIO, gzip.open(content)) if plan.gzipped else content


def payloads(content: BinaryIO, plan: Plan) -> Iterator[list[bytes]]:
    """The records of each request: one, or as many lines as fit; raises RecordError for one too large.

    Empty lines are no records.
    """
    if not plan.splits:
        yield [_whole(content, plan.payload_bytes)]
        return
    lines = _lines(content, plan.payload_bytes)
    yield from (_filled(lines, plan.payload_bytes) if plan.batches else ([line] for line in lines))


def _whole(content: BinaryIO, limit: int | None) -> bytes:
    body = content.read() if limit is None else content.read(limit + 1)
    if limit is not None and len(body) > limit:
        raise RecordError(TOO_LARGE)
    return body


def _lines(content: BinaryIO, limit: int | None) -> Iterator[bytes]:
    while line := content.readline(-1 if limit is None else limit + 2):
        record = line.rstrip(b"\r\n")
        if limit is not None and len(record) > limit:
            raise RecordError(TOO_LARGE)
        if record:
            yield record


def _filled(lines: Iterator[bytes], limit: int | None) -> Iterator[list[bytes]]:
    """Lines in groups whose sizes, with a newline each, stay within `limit` bytes."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and limit is not None and size + len(line) + 1 > limit:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line) + 1
    if group:
        yield group
