"""Requests to AWS: signed, bounded, and repeated only while no server has accepted them."""

from __future__ import annotations

import asyncio
import socket
import ssl

import httpcore
import pytest
from orchestrator.aws.client import AwsClient, AwsConnectionError, AwsError, connection_pool
from orchestrator.aws.connections import ConnectionPool
from orchestrator.aws.credentials import Credentials

from tests.orchestrator.aws_stub import AwsStub, Reply, error_reply, json_reply

pytestmark = pytest.mark.anyio

Aws = tuple[AwsStub, str]


def client(pool: httpcore.AsyncConnectionPool, url: str) -> AwsClient:
    return AwsClient(
        pool,
        base_url=url,
        signing_name="sagemaker",
        region="us-east-1",
        credentials=lambda: Credentials("AKID", "secret", "token"),
        backoff_seconds=0.001,
    )


async def post(pool: httpcore.AsyncConnectionPool, url: str) -> bytes:
    async with client(pool, url).post("/endpoints/e/invocations", {"a": "é"}, {"x-extra": "1"}) as response:
        return await response.aread()


async def test_a_request_is_signed_json(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    stub.script(json_reply({"ok": True}))
    assert await post(pool, url) == b'{"ok": true}'
    [call] = stub.calls
    assert (call.path, call.body) == ("/endpoints/e/invocations", {"a": "é"})
    assert call.headers["content-type"] == "application/json"
    assert call.headers["x-amz-security-token"] == "token"
    assert call.headers["x-extra"] == "1"
    scope = call.headers["authorization"].split("Credential=AKID/")[1]
    assert scope[8:].startswith(
        "/us-east-1/sagemaker/aws4_request, SignedHeaders=content-type;host;x-amz-date;"
    )


async def test_a_connection_is_used_again(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    stub.script(json_reply({}))
    for _ in range(3):
        await post(pool, url)
    assert len(pool.connections) == 1


async def test_requests_side_by_side_have_connections_of_their_own(
    pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    """The next ones find them idle. At the end of the pool none stays open."""
    stub, url = aws
    stub.script(Reply([0.1, b"{}"]))
    for _ in range(2):
        assert await asyncio.gather(*(post(pool, url) for _ in range(5))) == [b"{}"] * 5
        assert len(pool.connections) == 5
    connections = pool.connections
    await pool.aclose()
    assert all(connection.is_closed() for connection in connections)
    assert pool.connections == []


async def test_a_connection_outlives_its_pool_until_its_answer_is_read(
    pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    stub, url = aws
    stub.script(Reply([b"{", 0.05, b"}"]))
    async with client(pool, url).post("/", {}) as response:
        (connection,) = pool.connections
        await pool.aclose()
        assert await response.aread() == b"{}"
    assert connection.is_closed()


async def test_an_abandoned_answer_takes_its_connection_along(
    pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    stub, url = aws
    stub.script(Reply([b"{", 5.0, b"}"]))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), client(pool, url).post("/", {}) as response:
            await response.aread()
    assert pool.connections == []


async def test_few_idle_connections_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    """Not all of them for each request, as httpcore's own bookkeeping does."""
    stub, url = aws
    stub.script(Reply([0.1, b"{}"]))
    await asyncio.gather(*(post(pool, url) for _ in range(10)))
    looked_at: list[object] = []
    expired = httpcore.AsyncHTTPConnection.has_expired

    def counted(connection: httpcore.AsyncHTTPConnection) -> bool:
        looked_at.append(connection)
        return expired(connection)

    monkeypatch.setattr(httpcore.AsyncHTTPConnection, "has_expired", counted)
    await post(pool, url)
    assert len(looked_at) <= 2


async def test_connections_that_are_idle_for_too_long_are_closed(aws: Aws) -> None:
    """Each answer closes those that have become too old, the newest being the one that is used again."""
    stub, url = aws
    stub.script(Reply([0.1, b"{}"]))
    async with ConnectionPool(keepalive_expiry=0.3) as pool:
        await asyncio.gather(*(post(pool, url) for _ in range(5)))
        old = pool.connections
        await asyncio.sleep(0.35)
        await post(pool, url)
        assert len(pool.connections) == 1
        assert all(connection.is_closed() for connection in old)


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (error_reply(400, "ValidationError", Message="No."), "ValidationError", "No."),
        (Reply([b'{"__type":"ns#NotFoundException","message":"x"}'], 404), "NotFoundException", "x"),
        (Reply([b'{"code":"AccessDenied"}'], 403), "AccessDenied", ""),
        (Reply([b"<html>"], 502), "Unknown", "<html>"),
        (Reply([b"[]"], 500), "Unknown", "[]"),
    ],
)
async def test_an_error_has_a_kind(
    pool: httpcore.AsyncConnectionPool, aws: Aws, reply: Reply, kind: str, message: str
) -> None:
    stub, url = aws
    stub.script(reply)
    with pytest.raises(AwsError) as caught:
        await post(pool, url)
    error = caught.value
    assert (error.kind, error.status, error.message) == (kind, reply.status, message)
    assert len(stub.calls) == 1


async def test_what_a_model_said_is_not_in_the_log(pool: httpcore.AsyncConnectionPool, aws: Aws) -> None:
    stub, url = aws
    stub.script(error_reply(424, "ModelError", Message="secret prompt", OriginalStatusCode=500))
    with pytest.raises(AwsError) as caught:
        await post(pool, url)
    assert str(caught.value) == "ModelError (424): model answered 500"


@pytest.mark.parametrize("status", [400, 429])
async def test_a_throttled_request_is_tried_once_more(
    pool: httpcore.AsyncConnectionPool, aws: Aws, status: int
) -> None:
    stub, url = aws
    stub.script(error_reply(status, "ThrottlingException", message="Rate exceeded"), json_reply({"ok": 1}))
    assert await post(pool, url) == b'{"ok": 1}'
    assert len(stub.calls) == 2

    stub.calls.clear()
    stub.script(error_reply(status, "ThrottlingException", message="Rate exceeded"))
    with pytest.raises(AwsError) as caught:
        await post(pool, url)
    assert caught.value.throttled
    assert len(stub.calls) == 2


async def test_a_refused_connection_is_tried_once_more(pool: httpcore.AsyncConnectionPool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(AwsConnectionError) as caught:
        await post(pool, url)
    assert not caught.value.sent


async def test_a_connection_that_takes_too_long_is_tried_once_more() -> None:
    tries = 0

    class Unreachable(httpcore.AsyncConnectionPool):
        async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
            nonlocal tries
            tries += 1
            raise httpcore.ConnectTimeout

    with pytest.raises(AwsConnectionError) as caught:
        await post(Unreachable(), "http://127.0.0.1:9")
    assert not caught.value.sent
    assert tries == 2


async def test_an_error_that_breaks_off_keeps_its_status(
    pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    stub, url = aws
    stub.script(Reply([b'{"half":'], 500, cut=True))
    with pytest.raises(AwsError) as caught:
        await post(pool, url)
    assert (caught.value.kind, caught.value.status) == ("Unknown", 500)
    assert len(stub.calls) == 1


async def test_an_answer_that_breaks_off_is_not_asked_for_again(
    pool: httpcore.AsyncConnectionPool, aws: Aws
) -> None:
    stub, url = aws
    stub.script(Reply([b'{"half":'], cut=True), json_reply({}))
    with pytest.raises(AwsConnectionError) as caught:
        await post(pool, url)
    assert caught.value.sent
    assert len(stub.calls) == 1


async def test_a_request_that_may_have_arrived_is_not_sent_again(pool: httpcore.AsyncConnectionPool) -> None:
    accepted = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(AwsConnectionError) as caught:
            await post(pool, f"http://127.0.0.1:{port}")
    assert caught.value.sent
    assert accepted == 1


async def test_certificates_are_checked(aws: Aws) -> None:
    async with connection_pool(tls=True) as pool:
        context = pool._ssl_context
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        with pytest.raises(AwsConnectionError) as caught:
            await post(pool, aws[1].replace("http:", "https:"))
        assert not caught.value.sent
