"""One POST request with an end. Redirects are not followed, and what is answered is not read."""

from __future__ import annotations

import http.client
import queue
import ssl
import threading
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 10.0


class NoAnswerError(Exception):
    """The receiver could not be reached, or did not answer in time or with HTTP."""


def post(url: str, headers: Mapping[str, str], body: bytes, timeout: float = TIMEOUT_SECONDS) -> int:
    """Return the status of the answer. Raises `NoAnswerError`, after `timeout` seconds at the latest.

    A socket's timeout holds for each read, and none holds for looking up a name. So the request runs in a
    thread that is left to itself when time is up: a receiver that sends a byte now and then holds up nobody.
    """
    answers: queue.SimpleQueue[int | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(_request(url, headers, body, timeout))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise NoAnswerError(f"no answer within {timeout:g} s") from None
    if isinstance(answer, Exception):
        raise NoAnswerError(f"{type(answer).__name__}: {answer}") from answer
    return answer


def _request(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.netloc, timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def _connection(scheme: str, netloc: str, timeout: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(netloc, timeout=timeout, context=_tls())
    return http.client.HTTPConnection(netloc, timeout=timeout)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
