"""The interpreter that functions run with, and the environment they see."""

from __future__ import annotations

import os
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twin.local.functions.spec import FunctionSpec


@dataclass(frozen=True, slots=True)
class Runtime:
    """An interpreter with an empty site-packages: functions see bundle, layers and the standard library."""

    root: Path

    @property
    def python(self) -> Path:
        """The interpreter; its folder goes first on a function's PATH."""
        return self.root / "bin" / "python"

    def prepare(self) -> None:
        """Create the interpreter's folder, again whenever the base interpreter changed."""
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        if not (self.python.exists() and self.python.resolve() == base):
            venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(self.root)


def python_path(code: Path, layers: Sequence[Path]) -> str:
    """The import path of a function: its code, then its layers (a later layer shadows an earlier one)."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [code]
    for layer in reversed(layers):
        folders += [layer / "python", layer / "python" / "lib" / version / "site-packages"]
    return os.pathsep.join(str(folder) for folder in folders)


def base_environment(runtime: Runtime, scratch: Path) -> dict[str, str]:
    """What every function process sees of the machine: nothing of the user's own environment."""
    return {
        "PATH": os.pathsep.join([str(runtime.python.parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAMBDA_RUNTIME_DIR": sysconfig.get_path("stdlib"),
    }


def function_environment(spec: FunctionSpec, region: str, log_stream: str) -> dict[str, str]:
    """The variables that AWS Lambda reserves for itself."""
    return {
        "_HANDLER": spec.handler,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "_LAMBDA_FUNCTION_ARN": spec.arn,
    }
