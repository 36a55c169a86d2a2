"""Files of batches: what they are, whose they are, and what is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from jobtable import keys
from orchestrator.files.errors import MAX_FILE_BYTES, MAX_UPLOAD_BYTES
from orchestrator.jobs.errors import JobsUnavailableError

from tests.orchestrator.conftest import Harness
from tests.orchestrator.filing import LINES, announced, as_owner, get, upload, uploaded
from tests.orchestrator.serving import serve

pytestmark = pytest.mark.anyio


async def failing(name: str) -> None:
    raise JobsUnavailableError


async def test_a_file_is_kept_with_its_record(harness: Harness) -> None:
    response = await upload(harness, filename="Fragen für Ada.jsonl")
    made = response.json()
    record = harness.jobs.table.records("ada")[0]
    assert made == {
        "id": record["id"],
        "object": "file",
        "bytes": len(LINES),
        "created_at": record["created_at"],
        "filename": "Fragen für Ada.jsonl",
        "purpose": "batch",
        "status": "processed",
        "expires_at": record["created_at"] + 7 * 86_400,
    }
    assert record["delete_at"] == made["expires_at"]
    assert harness.jobs.objects.contents == {keys.file("ada", made["id"]): LINES}
    assert harness.jobs.calls.names == ["put object", "put_new"]


async def test_a_file_can_be_read_again(harness: Harness) -> None:
    made = (await upload(harness, filename="a 'ü'.jsonl")).json()
    assert (await get(harness, f"/v1/files/{made['id']}")).json() == made
    content = await get(harness, f"/v1/files/{made['id']}/content")
    assert content.content == LINES
    assert content.headers["content-type"] == "application/jsonl"
    assert content.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20%27%C3%BC%27.jsonl"


async def test_folders_of_a_file_name_are_dropped(harness: Harness) -> None:
    made = (await upload(harness, filename=r"C:\ada/notes\lines.jsonl")).json()
    assert made["filename"] == "lines.jsonl"


async def test_a_deleted_file_is_gone(harness: Harness) -> None:
    file_id = await uploaded(harness)
    path = f"/v1/files/{file_id}"
    response = await harness.request("DELETE", path, headers=as_owner("ada"))
    assert response.json() == {"id": file_id, "object": "file", "deleted": True}
    assert (harness.jobs.table.items, harness.jobs.objects.contents) == ({}, {})
    again = await harness.request("DELETE", path, headers=as_owner("ada"))
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("call", ["delete object", "delete"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_deletion_that_broke_off_can_be_repeated(harness: Harness, call: str, moment: str) -> None:
    file_id = await uploaded(harness)

    async def die(name: str) -> None:
        if name == call:
            raise RuntimeError

    setattr(harness.jobs.calls, moment, die)
    path = f"/v1/files/{file_id}"
    assert (await harness.request("DELETE", path, headers=as_owner("ada"))).status_code == 500
    setattr(harness.jobs.calls, moment, None)
    gone = (call, moment) == ("delete", "after")
    repeated = await harness.request("DELETE", path, headers=as_owner("ada"))
    assert repeated.status_code == (404 if gone else 200)
    assert (harness.jobs.table.items, harness.jobs.objects.contents) == ({}, {})


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("GET", "/content"), ("DELETE", "")])
async def test_other_keys_files_do_not_exist(harness: Harness, method: str, suffix: str) -> None:
    file_id = await uploaded(harness)
    mine, nobodys = file_id, file_id.replace(file_id[-8:], "00000000")
    for owner, asked in (("bob", mine), ("ada", nobodys), ("ada", "file-1"), ("ada", "batch_1")):
        response = await harness.request(method, f"/v1/files/{asked}{suffix}", headers=as_owner(owner))
        assert response.status_code == 404
        assert response.json()["error"] == {
            "message": f"No file found with id '{asked}'.",
            "type": "invalid_request_error",
            "param": None,
            "code": "not_found",
        }
    assert (await get(harness, "/v1/files", owner="bob")).json()["data"] == []
    assert len(harness.jobs.objects.contents) == 1


async def test_content_that_breaks_off_is_not_taken_for_complete(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = await uploaded(harness)
    closed = []

    async def break_off(key: str) -> AsyncGenerator[bytes, None]:
        try:
            yield LINES[:5]
            raise JobsUnavailableError
        finally:
            closed.append(key)

    monkeypatch.setattr(harness.jobs.objects, "stream", break_off)
    with serve(harness.app) as url:
        path, headers = f"{url}/v1/files/{file_id}/content", as_owner("ada")
        with pytest.raises(httpx.RemoteProtocolError):
            await asyncio.to_thread(httpx.get, path, headers=headers)
    assert closed == [keys.file("ada", file_id)]
    assert harness.telemetry.records[-1].outcome == "jobs_unavailable"


async def test_a_client_that_leaves_ends_the_reading(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = await uploaded(harness)
    closed = threading.Event()

    async def endless(_: str) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield LINES
                await asyncio.sleep(0)
        finally:
            closed.set()

    def leave(url: str) -> None:
        with httpx.stream("GET", url, headers=as_owner("ada")) as response:
            next(response.iter_bytes())

    monkeypatch.setattr(harness.jobs.objects, "stream", endless)
    with serve(harness.app) as url:
        await asyncio.to_thread(leave, f"{url}/v1/files/{file_id}/content")
        assert await asyncio.to_thread(closed.wait, 5)


async def test_long_content_is_fetched_from_the_bucket(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.files.files.MAX_STREAMED_BYTES", len(LINES))
    short, long = await uploaded(harness), await uploaded(harness, LINES + b"\n")
    assert (await get(harness, f"/v1/files/{short}/content")).content == LINES
    response = await get(harness, f"/v1/files/{long}/content")
    assert (response.status_code, response.content) == (302, b"")
    place = keys.file("ada", long)
    assert response.headers["location"] == f"https://exchange.test/{place}?seconds=300"
    del harness.jobs.objects.contents[place]
    assert (await get(harness, f"/v1/files/{long}/content")).status_code == 404


async def test_a_file_whose_content_is_gone_has_none(harness: Harness) -> None:
    file_id = await uploaded(harness)
    harness.jobs.objects.contents.clear()
    assert (await get(harness, f"/v1/files/{file_id}/content")).status_code == 404


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty."),
        (b" \n\r\n\t\n", "The file is empty."),
        (b'{"a": 1}\n{"b": "\xff"}\n', "Line 2: not valid UTF-8."),
        (
            b"\n\nhello\n[1]\n",
            "Line 3: not a JSON object. No line of the file is one; each must hold one request.",
        ),
        (b'"{}"', "Line 1: not a JSON object. No line of the file is one; each must hold one request."),
        (
            b'{"a":\n1}\n',
            "Line 1: not a JSON object. No line of the file is one; each must hold one request.",
        ),
        (
            b'{"a": NaN}\n{"a": Infinity}',
            "Line 1: not a JSON object. No line of the file is one; each must hold one request.",
        ),
        (
            b'{"a":' * 100_000,
            "Line 1: not a JSON object. No line of the file is one; each must hold one request.",
        ),
    ],
)
async def test_what_is_no_list_of_requests_is_refused(harness: Harness, content: bytes, message: str) -> None:
    response = await upload(harness, content)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["message"], error["param"], error["code"]) == (message, "file", "invalid_file")
    assert harness.jobs.calls.names == []


@pytest.mark.parametrize(
    "content", [b'nonsense\n{"custom_id": "1"}\n', b'\xef\xbb\xbf{"a": 1}\r\n', '{"a": "\u2028ü"}'.encode()]
)
async def test_one_line_that_is_an_object_is_enough(harness: Harness, content: bytes) -> None:
    assert (await upload(harness, content)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"purpose": None}, "purpose", "missing_required_parameter"),
        ({"purpose": "fine-tune"}, "purpose", "invalid_value"),
        ({"purpose": "batch_output"}, "purpose", "invalid_value"),
        ({"expires_after[anchor]": "created_at"}, "expires_after", "unsupported_parameter"),
        ({"colour": "red"}, "colour", "unknown_parameter"),
        ({"purpose": "x" * 5_000}, "purpose", "invalid_value"),
        ({"filename": "x" * 256}, "file", "invalid_value"),
        ({"filename": "a\x7fb"}, "file", "invalid_value"),
        ({"filename": ""}, "file", "invalid_type"),
    ],
)
async def test_fields_that_are_refused(
    harness: Harness, fields: dict[str, Any], param: str, code: str
) -> None:
    response = await upload(harness, **fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert harness.jobs.calls.names == []


async def test_the_largest_file_within_a_request(harness: Harness) -> None:
    content = LINES.ljust(MAX_UPLOAD_BYTES)
    assert (await upload(harness, content)).json()["bytes"] == MAX_UPLOAD_BYTES
    refused = await upload(harness, content + b"\n")
    assert refused.status_code == 413
    error = refused.json()["error"]
    assert (error["code"], error["param"]) == ("file_too_large", "file")
    assert "larger than 4,194,304 bytes" in error["message"]
    assert "'upload.url'" in error["message"]
    assert len(harness.jobs.objects.contents) == 1


async def test_an_upload_to_an_address_of_its_own(harness: Harness) -> None:
    made = await announced(harness)
    place = keys.file("ada", made["id"])
    assert made["upload"] == {
        "method": "PUT",
        "url": f"https://exchange.test/{place}?seconds=3600&length={len(LINES)}",
        "headers": {"content-length": str(len(LINES))},
        "expires_at": made["created_at"] + 3600,
    }
    assert (made["status"], made["pending"], made["bytes"]) == ("uploaded", True, len(LINES))
    seen = (await get(harness, f"/v1/files/{made['id']}")).json()
    assert (seen["status"], seen["pending"]) == ("uploaded", True)
    assert "upload" not in seen
    content = await get(harness, f"/v1/files/{made['id']}/content")
    assert (content.status_code, content.json()["error"]["code"]) == (400, "file_not_uploaded")

    harness.jobs.objects.contents[place] = LINES
    settled = (await get(harness, f"/v1/files/{made['id']}")).json()
    assert settled["status"] == "processed"
    assert "pending" not in settled
    assert (await get(harness, f"/v1/files/{made['id']}/content")).content == LINES
    harness.jobs.calls.names.clear()
    await get(harness, f"/v1/files/{made['id']}")
    assert harness.jobs.calls.names == ["get"]


async def test_a_file_is_settled_once(harness: Harness) -> None:
    """Also where two requests see its content at the same time."""
    made = await announced(harness)
    harness.jobs.objects.contents[keys.file("ada", made["id"])] = LINES
    path = f"/v1/files/{made['id']}"

    async def settle_first(name: str) -> None:
        if name == "change":
            harness.jobs.calls.before = None
            assert (await get(harness, path)).json()["status"] == "processed"

    harness.jobs.calls.before = settle_first
    assert (await get(harness, path)).json()["status"] == "processed"


async def test_a_file_may_be_deleted_while_it_is_settled(harness: Harness) -> None:
    made = await announced(harness)
    harness.jobs.objects.contents[keys.file("ada", made["id"])] = LINES

    async def delete_first(name: str) -> None:
        if name == "change":
            harness.jobs.table.items.clear()

    harness.jobs.calls.before = delete_first
    assert (await get(harness, f"/v1/files/{made['id']}")).status_code == 404
    assert harness.jobs.table.items == {}


async def test_an_upload_of_another_size_than_allowed_is_an_error(harness: Harness) -> None:
    made = await announced(harness)
    harness.jobs.objects.contents[keys.file("ada", made["id"])] = b""
    seen = (await get(harness, f"/v1/files/{made['id']}")).json()
    assert (seen["status"], seen["bytes"]) == ("error", 0)
    assert seen["status_details"] == "The file must have 1 to 200,000,000 bytes; 0 came."


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"purpose": None}, 400, "purpose", "invalid_value"),
        ({"purpose": "assistants"}, 400, "purpose", "invalid_value"),
        ({"filename": None}, 400, "filename", "missing_required_parameter"),
        ({"filename": 1}, 400, "filename", "invalid_type"),
        ({"filename": "folder/"}, 400, "filename", "invalid_value"),
        ({"bytes": None}, 400, "bytes", "missing_required_parameter"),
        ({"bytes": 0}, 400, "bytes", "invalid_value"),
        ({"bytes": True}, 400, "bytes", "invalid_value"),
        ({"bytes": "12"}, 400, "bytes", "invalid_value"),
        ({"bytes": MAX_FILE_BYTES + 1}, 413, "bytes", "file_too_large"),
        ({"expires_after": {"anchor": "created_at"}}, 400, "expires_after", "unsupported_parameter"),
        ({"size": 3}, 400, "size", "unknown_parameter"),
    ],
)
async def test_announcements_that_are_refused(
    harness: Harness, change: dict[str, Any], status: int, param: str, code: str
) -> None:
    body = {"purpose": "batch", "filename": "a.jsonl", "bytes": MAX_FILE_BYTES, **change}
    response = await harness.request("POST", "/v1/files", json=body, headers=as_owner("ada"))
    assert response.status_code == status
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert harness.jobs.calls.names == []


async def test_a_list_is_paged_in_either_order(harness: Harness) -> None:
    made = sorted([await uploaded(harness) for _ in range(5)])
    await uploaded(harness, owner="bob")
    for order, expected in (("desc", made[::-1]), ("asc", made)):
        first = (await get(harness, "/v1/files", limit=3, order=order)).json()
        assert first["object"] == "list"
        assert [one["id"] for one in first["data"]] == expected[:3]
        assert (first["first_id"], first["last_id"], first["has_more"]) == (expected[0], expected[2], True)
        rest = (await get(harness, "/v1/files", limit=3, order=order, after=expected[2])).json()
        assert [one["id"] for one in rest["data"]] == expected[3:]
        assert rest["has_more"] is False
    assert (await get(harness, "/v1/files", limit=5)).json()["has_more"] is False


async def test_a_list_of_nothing(harness: Harness) -> None:
    response = await get(harness, "/v1/files")
    assert response.json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


async def test_a_list_of_one_purpose_is_filled(harness: Harness) -> None:
    """However many other files lie between, and more than are read at once."""
    ids = sorted([await uploaded(harness) for _ in range(230)])
    outputs = ids[3::100]
    for file_id in outputs:
        harness.jobs.table.items["ada", file_id]["purpose"] = {"S": "batch_output"}
    found = (await get(harness, "/v1/files", limit=2, purpose="batch_output")).json()
    assert [one["id"] for one in found["data"]] == outputs[:0:-1]
    assert found["has_more"] is True
    rest = await get(harness, "/v1/files", limit=2, purpose="batch_output", after=found["last_id"])
    assert [one["id"] for one in rest.json()["data"]] == outputs[:1]
    assert rest.json()["has_more"] is False
    assert len((await get(harness, "/v1/files", purpose="batch")).json()["data"]) == 227


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "0"}, "Invalid value for 'limit': expected a whole number from 1 to 10,000."),
        ({"limit": "10001"}, "Invalid value for 'limit': expected a whole number from 1 to 10,000."),
        ({"limit": "-1"}, "Invalid value for 'limit': expected a whole number from 1 to 10,000."),
        ({"limit": "1_0"}, "Invalid value for 'limit': expected a whole number from 1 to 10,000."),
        ({"limit": "9" * 5_000}, "Invalid value for 'limit': expected a whole number from 1 to 10,000."),
        ({"after": "batch_1"}, "Invalid value for 'after': expected an id that begins with 'file-'."),
        ({"order": "up"}, "Invalid value for 'order': expected 'asc' or 'desc'."),
        ({"purpose": "vision"}, "Invalid value for 'purpose': expected 'batch' or 'batch_output'."),
        ({"before": "x"}, "Unknown parameter: 'before'."),
    ],
)
async def test_lists_that_are_refused(harness: Harness, query: dict[str, str], message: str) -> None:
    response = await get(harness, "/v1/files", **query)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == message
    assert response.json()["error"]["param"] == next(iter(query))


@pytest.mark.parametrize(
    ("method", "suffix"), [("POST", ""), ("GET", ""), ("GET", "/file-1"), ("DELETE", "/x")]
)
async def test_without_batches_there_are_no_files(harness: Harness, method: str, suffix: str) -> None:
    harness.variables["BATCH_STATE_MACHINE_ARN"] = ""
    options = {"content": b"x" * 3_000_000} if method == "POST" else {}
    response = await harness.request(method, f"/v1/files{suffix}", headers=as_owner("ada"), **options)
    assert response.status_code == 404
    error = response.json()["error"]
    assert error["code"] == "deployment_type_not_available"
    assert "'batch' section" in error["message"]


@pytest.mark.parametrize("suffix", ["", "/file-" + "0" * 32])
async def test_while_jobs_cannot_be_read_the_client_is_told_to_come_again(
    harness: Harness, suffix: str
) -> None:
    harness.jobs.calls.before = failing
    response = await get(harness, f"/v1/files{suffix}")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "jobs_unavailable")
    assert response.headers["x-should-retry"] == "true"


async def test_a_file_that_could_not_be_kept_is_not_there(harness: Harness) -> None:
    harness.jobs.calls.before = failing
    assert (await upload(harness)).status_code == 503
    harness.jobs.calls.before = None
    assert (await get(harness, "/v1/files")).json()["data"] == []
