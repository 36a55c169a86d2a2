"""Requests to webhooks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from jobs.http import NoAnswerError, post

from tests.jobs.receivers import Receiver, receiver


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


def test_a_request_arrives_as_it_was_sent(server: Receiver) -> None:
    server.status = 204
    assert post(f"{server.url}/hook/a?b=c", {"webhook-id": "evt_1"}, b"body") == 204
    ((path, headers, body),) = server.requests
    assert (path, headers["webhook-id"], body) == ("/hook/a?b=c", "evt_1", b"body")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(server: Receiver, status: int) -> None:
    server.status, server.answer_headers = status, {"location": f"{server.url}/elsewhere"}
    assert post(f"{server.url}/hook", {}, b"") == status
    assert [path for path, _, _ in server.requests] == ["/hook"]


def test_an_answers_body_is_not_waited_for(server: Receiver) -> None:
    """It says that a body follows, and never sends it."""
    server.answer_headers = {"content-length": "1000000"}
    assert post(server.url, {}, b"") == 200


def test_a_receiver_that_is_not_there_is_an_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswerError, match="ConnectionRefusedError"):
            post(f"http://127.0.0.1:{probe.getsockname()[1]}/", {}, b"")


def test_a_receiver_that_does_not_speak_tls_is_an_error(server: Receiver) -> None:
    with pytest.raises(NoAnswerError, match="SSLError"):
        post(server.url.replace("http:", "https:"), {}, b"")


def test_a_receiver_that_does_not_answer_is_given_up(server: Receiver) -> None:
    server.hold = threading.Event()
    with pytest.raises(NoAnswerError, match=r"^no answer within 0\.2 s$|TimeoutError"):
        post(server.url, {}, b"", timeout=0.2)


def test_a_receiver_that_answers_a_byte_now_and_then_is_given_up() -> None:
    """Each byte would start a socket's timeout anew."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                try:
                    while not stop.wait(0.05):
                        connection.send(b"H")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(NoAnswerError, match=r"^no answer within 0\.3 s$"):
                post(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, b"", timeout=0.3)
        finally:
            stop.set()
            thread.join()
