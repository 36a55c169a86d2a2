"""What the local cloud is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twin.local import DEFAULT_PORT, HOST
from twin.local.layout import StateLayout


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """One local cloud: its state directory, its port, and the model behind its endpoints.

    An asynchronous endpoint at zero instances gets its first one `asynchronous_wake_seconds` after a request.
    """

    state_dir: Path
    port: int = DEFAULT_PORT
    model: str = "extractive"
    time_to_first_token_ms: float = 20.0
    inter_token_latency_ms: float = 5.0
    asynchronous_wake_seconds: float = 1.0

    @property
    def layout(self) -> StateLayout:
        """Paths below the state directory."""
        return StateLayout(self.state_dir.resolve())

    @property
    def url(self) -> str:
        """Base address of every service: `http://127.0.0.1:4566`."""
        return f"http://{HOST}:{self.port}"
