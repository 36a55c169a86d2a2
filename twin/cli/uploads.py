"""Files of requests on their way up: within a request, or past the API where they are too large for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3
from openai import OpenAIError

if TYPE_CHECKING:
    from pathlib import Path

    from openai import OpenAI

LARGEST_IN_A_REQUEST = 4 * 1024 * 1024
_SECONDS = 600


class UploadError(OpenAIError):
    """The bucket refused the content."""


def upload(client: OpenAI, file: Path) -> str:
    """Upload a file of requests and return its id. Raises `openai.OpenAIError`."""
    if file.stat().st_size > LARGEST_IN_A_REQUEST:
        return _announced(client, file)
    with file.open("rb") as content:
        return client.files.create(file=(file.name, content), purpose="batch").id


def _announced(client: OpenAI, file: Path) -> str:
    """Announce the file, and put its content where the answer says."""
    size = file.stat().st_size
    announcement = {"purpose": "batch", "filename": file.name, "bytes": size}
    created: dict[str, Any] = client.post("/files", cast_to=dict[str, Any], body=announcement)
    target = created["upload"]
    with file.open("rb") as content:
        response = urllib3.request(
            target["method"],
            target["url"],
            body=content,
            headers={**target["headers"], "content-length": str(size)},
            timeout=_SECONDS,
            retries=False,
        )
    if response.status != 200:
        raise UploadError(f"the bucket refused {file.name} with status {response.status}")
    return str(created["id"])
