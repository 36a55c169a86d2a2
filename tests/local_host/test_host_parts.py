"""Small parts of the host, without a cloud."""

from __future__ import annotations

import asyncio
import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.local.functions.packages import PackageStore
from twin.local.functions.proxy import HttpRequest
from twin.local.functions.spec import FunctionSpec
from twin.local.gateway.access_log import render
from twin.local.gateway.bearer import carry_key, take_key
from twin.local.gateway.record import GatewayRecord
from twin.local.gateway.upstream import ConnectionPool, UpstreamError


def archive(**members: str) -> bytes:
    """A ZIP archive; names that end in `_sh` become executable scripts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, text in members.items():
            member = zipfile.ZipInfo(name.replace("_sh", ".sh"))
            member.external_attr = (0o755 if name.endswith("_sh") else 0o644) << 16
            target.writestr(member, text)
    return buffer.getvalue()


def test_packages_keep_executable_bits_and_are_unpacked_once(tmp_path: Path) -> None:
    store = PackageStore(tmp_path)
    folder = store.unpack(archive(run_sh="#!/bin/sh", data="text"))
    assert (folder / "run.sh").stat().st_mode & stat.S_IXUSR
    assert not (folder / "data").stat().st_mode & stat.S_IXUSR
    (folder / "data").write_text("changed", encoding="utf-8")
    assert store.unpack(archive(run_sh="#!/bin/sh", data="text")) == folder
    assert (folder / "data").read_text(encoding="utf-8") == "changed"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_packages_that_nothing_uses_are_removed(tmp_path: Path) -> None:
    store = PackageStore(tmp_path)
    used, unused = store.unpack(archive(a="1")), store.unpack(archive(a="2"))
    store.sweep({used.name})
    assert used.exists()
    assert not unused.exists()
    assert (store.find(used.name), store.find(unused.name)) == (used, None)


def test_packages_stay_in_their_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"member '\.\./out' would be written outside its folder"):
        PackageStore(tmp_path / "store").unpack(archive(**{"../out": "text"}))
    assert not (tmp_path / "out").exists()


def spec(**config: Any) -> FunctionSpec:
    """A function's configuration."""
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    base = {"FunctionName": "f", "FunctionArn": arn, "Handler": "h.h", "Runtime": "python3.13"}
    return FunctionSpec.from_record({"config": base | config})


@pytest.mark.parametrize(
    "change",
    [
        {"CodeSha256": "x"},
        {"Handler": "other.h"},
        {"Role": "r"},
        {"Timeout": 9},
        {"MemorySize": 9},
        {"Layers": [{"Arn": "l"}]},
        {"Environment": {"Variables": {"A": "1"}}},
    ],
)
def test_every_change_that_needs_a_new_process_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert spec(**change).fingerprint != spec().fingerprint


def test_an_alias_shares_the_processes_of_its_version() -> None:
    aliased = spec(FunctionArn="arn:aws:lambda:us-east-1:000000000000:function:f:live")
    assert aliased.fingerprint == spec().fingerprint
    assert spec(Version="3").arn.endswith(":function:f:3")


@given(st.dictionaries(st.text(), st.text()), st.text(min_size=1))
def test_the_key_travels_beside_the_context_and_leaves_it_as_it_was(
    context: dict[str, str], key: str
) -> None:
    """What MiniStack caches carries the key; what the integration sees does not."""
    result = {"body": {"context": context, "usageIdentifierKey": key, "policyDocument": {}}}
    carried = carry_key(result)["body"]["context"]
    assert take_key(carried) == (key, context)
    assert result["body"]["context"] is context


@pytest.mark.parametrize("result", [None, {"error": True, "body": {}}, {"body": "no JSON"}, {"body": {}}])
def test_results_without_a_key_pass_unchanged(result: Any) -> None:
    assert carry_key(result) is result


def test_access_log_formats() -> None:
    record = GatewayRecord("GET", "127.0.0.1", authorizer={"tier": "roomy"}, status=200, stage_name="v")
    record.path = "/x"
    text = render("$context.status $context.path $context.authorizer.tier $context.identity.caller", record)
    assert text == "200 /v/x roomy -"


REQUEST = HttpRequest("GET", "/", [("host", "x"), ("content-length", "0")], b"")
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def serve(answers: list[bytes], *, keep: bool) -> tuple[list[int], list[bytes], list[str]]:
    """Send two requests to a server that gives `answers` and then, unless `keep`, closes each connection."""
    connections: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while answers:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            writer.write(answers.pop(0))
            if not keep:
                break
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool, bodies, errors = ConnectionPool(), [], []
    for _ in range(2):
        try:
            response = await pool.send(port, REQUEST)
            bodies.append(b"".join([chunk async for chunk in response.chunks()]))
        except UpstreamError as error:
            errors.append(str(error))
        await asyncio.sleep(0.02)
    server.close()
    return connections, bodies, errors


def test_connections_are_kept() -> None:
    connections, bodies, errors = asyncio.run(serve([ANSWER, ANSWER], keep=True))
    assert (len(connections), bodies, errors) == (1, [b"ok", b"ok"], [])


def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    connections, bodies, errors = asyncio.run(serve([ANSWER, ANSWER], keep=False))
    assert (len(connections), bodies, errors) == (2, [b"ok", b"ok"], [])


def test_an_answer_that_breaks_off_is_an_error_and_is_not_asked_for_again() -> None:
    broken = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok"
    connections, bodies, errors = asyncio.run(serve([ANSWER, broken], keep=True))
    assert (len(connections), bodies) == (1, [b"ok"])
    assert len(errors) == 1


def test_garbage_is_an_error() -> None:
    _, bodies, errors = asyncio.run(serve([b"not HTTP\r\n\r\n", ANSWER], keep=False))
    assert (bodies, len(errors)) == ([b"ok"], 1)
