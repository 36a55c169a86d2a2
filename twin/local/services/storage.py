"""What the services remember: one SQLite file under the local cloud's state directory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Database:
    """The SQLite file. A write is durable against the end of the process, not of the machine."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS records (kind TEXT, name TEXT, body TEXT, PRIMARY KEY (kind, name))"
        )

    def records(self, kind: str) -> Records:
        """The records of one kind, for example `sagemaker.endpoint`."""
        return Records(self.connection, kind)

    def close(self) -> None:
        self.connection.close()


class Records(MutableMapping[str, Record]):
    """Named JSON records, kept in memory and written through.

    A record that was read and then changed in place is written by assigning it again.
    """

    def __init__(self, connection: sqlite3.Connection, kind: str) -> None:
        self._connection = connection
        self._kind = kind
        rows = connection.execute("SELECT name, body FROM records WHERE kind = ? ORDER BY rowid", (kind,))
        self._records: dict[str, Record] = {name: json.loads(body) for name, body in rows}

    def __getitem__(self, name: str) -> Record:
        return self._records[name]

    def __setitem__(self, name: str, record: Record) -> None:
        self._connection.execute(
            "INSERT INTO records VALUES (?, ?, ?) "
            "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
            (self._kind, name, json.dumps(record)),
        )
        self._records[name] = record

    def __delitem__(self, name: str) -> None:
        del self._records[name]
        self._connection.execute("DELETE FROM records WHERE kind = ? AND name = ?", (self._kind, name))

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)
