"""Runs inside a function's own interpreter: imports the handler once, then answers one event after another.

Uses the standard library alone, since nothing else is importable there. It talks over two inherited pipes
with messages of a 4-byte big-endian length and that many bytes of JSON:

    <- {"ready": true} | {"error": {...}}                                    once, after the import
    -> {"event": ..., "request_id", "deadline", "arn", "trace_id"}           one per invocation
    <- {"result": ...} | {"error": {errorMessage, errorType, stackTrace}}

Run as `python -P bootstrap.py HANDLER READ_FD WRITE_FD`, so that this file's folder is not importable.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

PR_SET_PDEATHSIG = 1
LENGTH = struct.Struct(">I")


class Context:
    """The context object that AWS Lambda hands to a Python handler."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.aws_request_id = str(message["request_id"])
        self.invoked_function_arn = str(message["arn"])
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = float(message["deadline"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is stopped."""
        return max(0, int((self._deadline - time.time()) * 1000))


def read_message(descriptor: int) -> dict[str, Any] | None:
    """The next message, or None when the cloud closed the pipe."""
    head = _read_exactly(descriptor, LENGTH.size)
    if head is None:
        return None
    body = _read_exactly(descriptor, LENGTH.unpack(head)[0])
    return None if body is None else dict(json.loads(body))


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_message(descriptor: int, message: dict[str, Any]) -> None:
    """Write one message whole."""
    body = json.dumps(message).encode()
    view = memoryview(LENGTH.pack(len(body)) + body)
    while view:
        view = view[os.write(descriptor, view) :]


def describe(error: BaseException) -> dict[str, Any]:
    """An exception in the form in which AWS Lambda reports it."""
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_list(traceback.extract_tb(error.__traceback__)),
    }


def load_handler(name: str) -> Callable[[Any, Context], Any]:
    """Import `package.module.function`; slashes are accepted in place of dots, as on AWS."""
    module, _, function = name.replace("/", ".").rpartition(".")
    handler: Callable[[Any, Context], Any] = getattr(importlib.import_module(module), function)
    return handler


def answer(handler: Callable[[Any, Context], Any], message: dict[str, Any]) -> dict[str, Any]:
    """Invoke the handler; a result that JSON cannot carry is an error of type Runtime.MarshalError."""
    os.environ["_X_AMZN_TRACE_ID"] = str(message.get("trace_id") or "")
    try:
        result = handler(message["event"], Context(message))
    except Exception as error:
        traceback.print_exc()
        return {"error": describe(error)}
    try:
        json.dumps(result)
    except (TypeError, ValueError) as error:
        return {"error": {**describe(error), "errorType": "Runtime.MarshalError"}}
    return {"result": result}


def main(name: str, reader: int, writer: int) -> None:
    """Die with the cloud, import the handler, serve until the cloud closes the pipe."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.argv = [name]
    try:
        handler = load_handler(name)
    except Exception as error:
        traceback.print_exc()
        write_message(writer, {"error": {**describe(error), "errorType": f"Runtime.{type(error).__name__}"}})
        return
    write_message(writer, {"ready": True})
    while (message := read_message(reader)) is not None:
        response = answer(handler, message)
        sys.stdout.flush()
        sys.stderr.flush()
        write_message(writer, response)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
