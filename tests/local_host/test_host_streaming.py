"""Response streaming through the API."""

from __future__ import annotations

import hashlib
import json
import socket
import statistics
import time
from itertools import pairwise
from typing import Any

import httpx
import pytest


def test_chunks_arrive_as_they_are_produced(cloud: Any) -> None:
    """Five events 100 ms apart arrive 100 ms apart, not together at the end."""
    httpx.get(f"{cloud.api}/health")
    with httpx.stream("GET", f"{cloud.api}/stream") as response:
        arrivals = [(time.monotonic(), chunk) for chunk in response.iter_raw()]
    assert [chunk for _, chunk in arrivals] == [b"data: %d\n\n" % number for number in range(5)]
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(arrivals)]
    assert 0.05 < statistics.median(gaps) < 0.2


def test_bytes_pass_unchanged_when_chunks_split_characters(cloud: Any) -> None:
    with httpx.stream("GET", f"{cloud.api}/utf8") as response:
        pieces = list(response.iter_raw())
    assert b"".join(pieces).decode() == "größe €"
    assert len(pieces) > 3


def test_head_is_passed_on_as_api_gateway_does(cloud: Any) -> None:
    response = httpx.get(f"{cloud.api}/stream")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-amzn-Remapped-Server"] == "test"
    assert "server" not in response.headers
    assert "content-length" not in httpx.get(f"{cloud.api}/seen").headers


def test_the_server_sees_the_request_and_its_context(cloud: Any) -> None:
    response = httpx.post(f"{cloud.api}/a/b?x=1&x=2", content=b'{"q": "\xc3\xa4"}', headers={"X-Own": "yes"})
    seen = response.json()
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/a/b?x=1&x=2", '{"q": "ä"}')
    assert seen["headers"]["x-own"] == "yes"
    context = json.loads(seen["headers"]["x-amzn-request-context"])
    assert context["requestId"] == response.headers["x-amzn-requestid"]
    assert (context["stage"], context["resourcePath"]) == ("v", "/{proxy+}")
    function = json.loads(seen["headers"]["x-amzn-lambda-context"])
    assert function["env_config"]["function_name"] == cloud.outputs["Web"]
    assert function["deadline"] > time.time() * 1000


BYTES = bytes(range(256)) * 64


def test_a_form_with_a_file_arrives_byte_for_byte(cloud: Any) -> None:
    """`multipart/form-data` is among the API's binary media types."""
    request = httpx.Request("POST", "http://unused", files={"file": ("a.jsonl", BYTES)})
    headers = {"content-type": request.headers["content-type"]}
    seen = httpx.post(f"{cloud.api}/files", content=request.read(), headers=headers).json()
    assert seen["sha256"] == hashlib.sha256(request.read()).hexdigest()
    assert seen["headers"]["content-length"] == str(len(request.read()))


def test_other_bodies_arrive_as_text(cloud: Any) -> None:
    """As on AWS, bytes that are no UTF-8 do not survive it."""
    headers = {"content-type": "application/octet-stream"}
    seen = httpx.post(f"{cloud.api}/files", content=BYTES, headers=headers).json()
    assert seen["sha256"] == hashlib.sha256(BYTES.decode("utf-8", "replace").encode()).hexdigest()


@pytest.mark.parametrize(
    ("size", "content_type", "status"),
    [
        (4_600_000, "multipart/form-data; boundary=x", 200),
        (4_800_000, "multipart/form-data; boundary=x", 413),
        (6_200_000, "application/json", 200),
        (6_300_000, "application/json", 413),
    ],
)
def test_a_request_beyond_lambdas_payload_is_too_large(
    cloud: Any, size: int, content_type: str, status: int
) -> None:
    """6 MiB for the whole proxy event, in which a binary body takes a third more."""
    answer = httpx.post(
        f"{cloud.api}/large", content=b"a" * size, headers={"content-type": content_type}, timeout=60
    )
    assert answer.status_code == status
    if status == 413:
        assert answer.json()["error"]["code"] == "request_too_large"


def test_a_client_that_leaves_ends_the_servers_work(cloud: Any) -> None:
    assert httpx.get(f"{cloud.api}/health").status_code == 200  # the log begins with the server's start
    log = cloud.options.layout.logs / f"{cloud.outputs['Web']}.log"
    before = log.read_text(encoding="utf-8").count("connection ended")
    with httpx.stream("GET", f"{cloud.api}/forever") as response:
        next(response.iter_raw())
    deadline = time.monotonic() + 5
    while log.read_text(encoding="utf-8").count("connection ended") == before:
        assert time.monotonic() < deadline, "the server still sends to a client that left"
        time.sleep(0.05)


def test_a_stream_cut_off_by_the_server_is_cut_off_for_the_client(cloud: Any) -> None:
    with pytest.raises(httpx.RemoteProtocolError), httpx.stream("GET", f"{cloud.api}/cut") as response:
        assert b"".join(response.iter_raw()) == b"data: 1\n\n"


def test_a_server_that_dies_is_a_502_and_is_replaced(cloud: Any) -> None:
    response = httpx.get(f"{cloud.api}/exit")
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})
    assert httpx.get(f"{cloud.api}/health").json() == {"status": "ok"}


def test_an_answer_that_takes_too_long_is_a_504(cloud: Any) -> None:
    """The method's integration timeout is 500 ms."""
    response = httpx.get(f"{cloud.api}/silent", timeout=10)
    assert (response.status_code, response.json()) == (504, {"message": "Endpoint request timed out"})
    assert 0.4 < response.elapsed.total_seconds() < 5


def test_a_body_above_10_mib_is_refused(cloud: Any) -> None:
    size = 10 * 1024 * 1024
    response = httpx.post(f"{cloud.api}/seen", content=b"x" * (size + 1), timeout=30)
    assert response.status_code == 413
    assert response.json()["error"] == {"message": "Request Entity Too Large", "code": "request_too_large"}


def test_one_server_answers_requests_at_once(cloud: Any) -> None:
    """While one request streams, another is answered, by the same process."""
    with httpx.stream("GET", f"{cloud.api}/forever") as response:
        next(response.iter_raw())
        assert httpx.get(f"{cloud.api}/health").json() == {"status": "ok"}


def test_a_request_without_a_body_or_end_is_no_error_for_others(cloud: Any) -> None:
    """A client that opens a request and goes away leaves the cloud as it was."""
    host, port = cloud.options.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(
            b"POST /restapis/x/v/_user_request_/y HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc"
        )
    assert httpx.get(f"{cloud.api}/health").status_code == 200
