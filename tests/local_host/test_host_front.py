"""Which service a request goes to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.local.front import HEALTH_PATH, ASGIApp, Caller, Front, Receive, Scope, Send

SCOPE = "AWS4-HMAC-SHA256 Credential={key}/20261122/us-east-1/{service}/aws4_request, SignedHeaders=host"


class Recorder:
    """Plays every neighbour of the front, and notes who was called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def app(self, name: str) -> ASGIApp:
        """An app that notes its call."""

        async def called(_scope: Scope, _receive: Receive, _send: Send) -> None:
            self.calls.append(name)

        return called

    def route(self, service: str, path: str, target: str | None) -> ASGIApp | None:
        """Own services: S3 Vectors, and SageMaker by target."""
        if service in {"s3vectors", "sagemaker"}:
            return self.app(f"{service} {path} {target}")
        return None

    def serves(self, path: str) -> bool:
        """API requests."""
        return path.startswith("/restapis/")

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """The gateway."""
        self.calls.append("gateway")
        await app(scope, receive, send)

    def status(self) -> dict[str, Any]:
        """Health."""
        return {"pid": 1}

    def stack_request(self) -> None:
        """A request for CloudFormation."""
        self.calls.append("stacks")

    async def started(self) -> None:
        """Started."""
        self.calls.append("started")

    async def stopping(self) -> None:
        """Stopping."""
        self.calls.append("stopping")


class NoFunctions:
    """A guard that knows no function's credentials but `ASIAFUNCTION`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def applies(self, caller: Caller) -> bool:
        """By access key."""
        return caller.access_key == "ASIAFUNCTION"

    async def __call__(
        self, caller: Caller, app: ASGIApp, *, emulated: bool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Note the check, then let the call pass."""
        self._recorder.calls.append(f"guard {caller.service} {emulated}")
        await app(scope, receive, send)


def request(path: str, *, query: bytes = b"", **headers: str) -> tuple[list[str], list[Any]]:
    """Send a request through a front: who was called, and what was sent."""
    recorder = Recorder()
    guard = NoFunctions(recorder)
    front = Front(recorder.app("emulator"), services=recorder, gateway=recorder, guard=guard, events=recorder)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": fields}
    asyncio.run(front(scope, receive, send))
    return recorder.calls, sent


def signed(service: str, key: str = "test") -> str:
    """An Authorization header."""
    return SCOPE.format(key=key, service=service)


def test_own_services_by_credential_scope() -> None:
    calls, _ = request("/QueryVectors", authorization=signed("s3vectors"))
    assert calls == ["s3vectors /QueryVectors None"]
    calls, _ = request("/", authorization=signed("sagemaker"), x_amz_target="SageMaker.ListEndpoints")
    assert calls == ["sagemaker / SageMaker.ListEndpoints"]


def test_everything_else_is_ministacks() -> None:
    assert request("/", authorization=signed("sqs"))[0] == ["emulator"]
    assert request("/bucket/key")[0] == ["emulator"]


def test_presigned_requests_carry_their_scope_in_the_query() -> None:
    query = b"X-Amz-Credential=test%2F20261122%2Fus-east-1%2Fs3vectors%2Faws4_request&X-Amz-Expires=60"
    assert request("/GetVectors", query=query)[0] == ["s3vectors /GetVectors None"]


def test_api_requests_go_through_the_gateway_whatever_they_are_signed_with() -> None:
    calls, _ = request("/restapis/a/v/_user_request_/x", authorization=signed("s3vectors"))
    assert calls == ["gateway", "emulator"]


def test_cloudformation_requests_are_told_to_the_cloud() -> None:
    assert request("/", authorization=signed("cloudformation"))[0] == ["emulator", "stacks"]


def test_functions_calls_are_guarded() -> None:
    calls, _ = request("/", authorization=signed("s3vectors", "ASIAFUNCTION"))
    assert calls == ["guard s3vectors False", "s3vectors / None"]
    calls, _ = request("/", authorization=signed("s3", "ASIAFUNCTION"))
    assert calls == ["guard s3 True", "emulator"]


def test_health_is_the_clouds_own() -> None:
    calls, sent = request(HEALTH_PATH)
    assert calls == []
    assert (sent[0]["status"], sent[1]["body"]) == (200, b'{"pid": 1}')


@given(st.text(max_size=80), st.binary(max_size=80))
def test_any_authorization_and_query_is_read_without_error(authorization: str, query: bytes) -> None:
    """Garbage signs nothing: no service, and never an exception."""
    headers = [(b"authorization", authorization.encode("utf-8", "replace"))]
    caller = Caller({"headers": headers, "query_string": query})
    assert isinstance(caller.service, str)


@pytest.mark.parametrize("value", ["Bearer abc", "AWS4-HMAC-SHA256 Credential=", "Credential=key"])
def test_a_header_without_a_scope_names_no_service(value: str) -> None:
    assert Caller({"headers": [(b"authorization", value.encode())], "query_string": b""}).service == ""
