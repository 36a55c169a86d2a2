"""Function processes: started in a group of their own, dying with the cloud."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twin.local.processes import ProcessIdentity, ProcessRegister

_GRACE_SECONDS = 2.0


class FunctionProcess:
    """One started process group of a function."""

    def __init__(
        self, popen: subprocess.Popen[bytes], identity: ProcessIdentity, register: ProcessRegister
    ) -> None:
        self._popen = popen
        self._identity = identity
        self._register = register

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Exit status once the process ended; negative for a signal."""
        return self._popen.poll()

    def end(self, grace_seconds: float = _GRACE_SECONDS) -> None:
        """End the whole group and collect its leader."""
        self._identity.end(grace_seconds, group=True)
        self._popen.wait()
        self._register.remove(self.pid)


class Spawner:
    """Starts function processes, all from one thread that lives as long as the cloud.

    A process asks the kernel to be killed when its parent dies, and to the kernel the parent is the thread
    that started it: started from the thread of one invocation, it would die with that.
    """

    def __init__(self, register: ProcessRegister) -> None:
        self._register = register
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="function-spawner")

    def start(
        self,
        command: Sequence[str],
        *,
        title: str,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        descriptors: Sequence[int] = (),
    ) -> FunctionProcess:
        """Start `command` in `folder`, with output appended to `log` and the given descriptors inherited."""
        return self._thread.submit(
            self._start, command, title, environment, folder, log, descriptors
        ).result()

    def _start(
        self,
        command: Sequence[str],
        title: str,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        descriptors: Sequence[int],
    ) -> FunctionProcess:
        with log.open("ab") as output:
            popen = subprocess.Popen(
                list(command),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=tuple(descriptors),
                start_new_session=True,
            )
        identity = ProcessIdentity.of(popen.pid, title) or ProcessIdentity(popen.pid, 0, title)
        self._register.add(identity)
        return FunctionProcess(popen, identity, self._register)

    def close(self) -> None:
        """Let the spawning thread end, after every process has been ended."""
        self._thread.shutdown()
