"""Uploading files in tests, as several clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.jobs.owner import REQUEST_CONTEXT

if TYPE_CHECKING:
    import httpx

    from tests.orchestrator.conftest import Harness

LINES = b'{"custom_id": "1"}\n{"custom_id": "2"}\n'
BOUNDARY = "b0undary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def as_owner(owner: str) -> dict[str, str]:
    """Headers that the web adapter passes on for a request with that API key."""
    return {REQUEST_CONTEXT: json.dumps({"identity": {"apiKeyId": owner}})}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    """A part of a multipart form, its boundary before it."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


async def upload(
    harness: Harness,
    content: bytes = LINES,
    *,
    owner: str = "ada",
    filename: str = "lines.jsonl",
    **fields: Any,
) -> httpx.Response:
    """`POST /v1/files` as a form, with the purpose unless `fields` has one."""
    form = {"purpose": "batch", **fields}
    sent = {name: value for name, value in form.items() if value is not None}
    return await harness.request(
        "POST", "/v1/files", files={"file": (filename, content)}, data=sent, headers=as_owner(owner)
    )


async def uploaded(harness: Harness, content: bytes = LINES, **options: Any) -> str:
    """Id of a new file."""
    response = await upload(harness, content, **options)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


async def announced(harness: Harness, size: int = len(LINES), *, owner: str = "ada") -> dict[str, Any]:
    """A file that waits for its upload."""
    body = {"purpose": "batch", "filename": "lines.jsonl", "bytes": size}
    response = await harness.request("POST", "/v1/files", json=body, headers=as_owner(owner))
    assert response.status_code == 200, response.text
    announced: dict[str, Any] = response.json()
    return announced


async def get(harness: Harness, path: str, *, owner: str = "ada", **query: Any) -> httpx.Response:
    return await harness.request("GET", path, params=query, headers=as_owner(owner))
