"""The functions as they are deployed: their bundle, the layer, the standard library, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.batch.variables import AUGMENT, STEPS
from tests.retrieval.built_encoder import ROOT
from twin.bundling import Target, ensure

PROGRAM = """
import json, sys
import batch.augment, batch.steps
from batch.lines import Line
from batch.requests import Checker
batch.augment.stores()
batch.steps.stores()
vectors = batch.augment.encoder().encode(["words"])
checked = Checker("twin").check(Line(1, b"{}"))
print(json.dumps([vectors.shape, checked.error.code]))
"""


def test_the_bundle_has_all_that_the_functions_need(layer: Path) -> None:
    bundle = ensure(ROOT, Target.host(), ["batch"])["batch"].path
    environment = {
        **STEPS,
        **AUGMENT,
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": f"{bundle}:{layer / 'python'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-S", "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[1, 384], "invalid_custom_id"]
    assert {path.name for path in (bundle / "botocore" / "data").iterdir() if path.is_dir()} == {
        "dynamodb",
        "s3",
        "s3vectors",
        "sqs",
    }
