"""What a client needs in order to talk to a deployed twin."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Connection:
    """`base_url` and `api_key` go into any OpenAI client as they are."""

    base_url: str
    api_key: str
    environment: str

    def write(self, path: Path) -> None:
        """Write it as JSON, readable by the owner alone, since it holds a key."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Connection:
        return cls(**json.loads(path.read_text(encoding="utf-8")))
