"""What a client needs, on disk."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from twin.deployment.connection import Connection

if TYPE_CHECKING:
    from pathlib import Path

CONNECTION = Connection("http://127.0.0.1:4566/v1", "key", "local")


def test_it_is_json_for_any_client(tmp_path: Path) -> None:
    path = tmp_path / "state" / "connection.json"
    CONNECTION.write(path)
    assert json.loads(path.read_text()) == {
        "base_url": "http://127.0.0.1:4566/v1",
        "api_key": "key",
        "environment": "local",
    }
    assert Connection.read(path) == CONNECTION


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    path.write_text("old")
    path.chmod(0o644)
    CONNECTION.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
