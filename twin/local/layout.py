"""Where the local cloud keeps things: everything lies under one state directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateLayout:
    """Paths below the state directory, by what lies there."""

    root: Path

    @property
    def process_file(self) -> Path:
        """JSON about the running cloud: process id, its start time, port."""
        return self.root / "cloud.json"

    @property
    def lock_file(self) -> Path:
        """Held (flock) by the cloud that uses this directory."""
        return self.root / "cloud.lock"

    @property
    def log_file(self) -> Path:
        """Output of the cloud's own process."""
        return self.root / "cloud.log"

    @property
    def manifest_file(self) -> Path:
        """JSON about the stored state: format, MiniStack's version, whether an operation was cut off."""
        return self.root / "state.json"

    @property
    def emulator(self) -> Path:
        """MiniStack's saved state."""
        return self.root / "ministack"

    @property
    def objects(self) -> Path:
        """S3 objects."""
        return self.root / "s3"

    @property
    def services(self) -> Path:
        """State of the services of our own (vectors, endpoints, scaling)."""
        return self.root / "services"

    @property
    def packages(self) -> Path:
        """Unpacked function code and layers, one folder per content hash."""
        return self.root / "packages"

    @property
    def runtime(self) -> Path:
        """The functions' interpreter: a `python` that sees the standard library alone."""
        return self.root / "runtime"

    @property
    def processes(self) -> Path:
        """One small file per running function process, for finding leftovers after a crash."""
        return self.root / "processes"

    @property
    def logs(self) -> Path:
        """One log file per function: `<function name>.log`."""
        return self.root / "logs"

    @property
    def scratch(self) -> Path:
        """The functions' /tmp and home folders."""
        return self.root / "scratch"

    @property
    def home(self) -> Path:
        """Home folder for tools that cache what they learn about an account, such as the CDK CLI."""
        return self.root / "home"

    def prepare(self) -> None:
        """Create the folders."""
        for folder in (
            self.emulator,
            self.objects,
            self.services,
            self.packages,
            self.processes,
            self.logs,
            self.scratch,
            self.home,
        ):
            folder.mkdir(parents=True, exist_ok=True)
