"""The functions as they are deployed: their bundle, the standard library, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs import variables
from twin.bundling import Target, ensure

ROOT = Path(__file__).parents[2]

PROGRAM = """
import json, importlib, sys
name, clients = sys.argv[1], sys.argv[2:]
module = importlib.import_module(name)
for client in clients:
    getattr(module, client)()
print(json.dumps(callable(module.handler)))
"""

MAX_MEGABYTES = 40


@pytest.fixture(scope="module")
def bundle() -> Path:
    return ensure(ROOT, Target.host(), ["jobs"])["jobs"].path


@pytest.mark.parametrize(
    ("module", "environment", "clients"),
    [
        ("jobs.outcomes", variables.OUTCOMES, ["stores", "deliveries"]),
        ("jobs.sweep", variables.SWEEP, ["stores", "executions", "transforms"]),
        ("jobs.webhooks", variables.WEBHOOKS, ["secrets", "deliveries"]),
    ],
)
def test_the_bundle_has_all_that_a_function_needs(
    bundle: Path, module: str, environment: dict[str, str], clients: list[str]
) -> None:
    given = {
        **environment,
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": str(bundle),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-S", "-c", PROGRAM, module, *clients]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) is True


def test_the_bundle_is_small(bundle: Path) -> None:
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    assert size < MAX_MEGABYTES * 1024**2
    services = {path.name for path in (bundle / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == {"dynamodb", "s3", "sagemaker", "secretsmanager", "sqs", "stepfunctions"}
