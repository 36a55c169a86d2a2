"""The function as it is deployed: its bundle, the layer, the standard library, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.ingestion.variables import VARIABLES
from tests.retrieval.built_encoder import ROOT
from twin.bundling import Target, ensure

PROGRAM = """
import json, sys
import ingestion.handler as module
from ingestion.parse import parse
from ingestion.documents import Attributes
module.stores()
module.encoder().encode(["words"])
files = json.loads(sys.argv[1]).items()
items = [item for key, body in files for item in parse(key, body.encode(), Attributes())]
print(json.dumps([getattr(item, "text", None) or item.reason for item in items]))
"""

FILES = {
    "a.md": "---\ntitle: A\n---\n# Markdown",
    "b.html": "<p>HTML",
    "c.jsonl": json.dumps({"id": "1", "text": "JSON Lines"}),
    "d.pdf": "no PDF",
}


def test_the_bundle_has_all_that_the_function_needs(layer: Path) -> None:
    bundle = ensure(ROOT, Target.host(), ["ingestion"])["ingestion"].path
    environment = {
        **VARIABLES,
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": f"{bundle}:{layer / 'python'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-S", "-c", PROGRAM, json.dumps(FILES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    markdown, html, line, pdf = json.loads(last)
    assert (markdown, html, line) == ("# Markdown", "HTML", "JSON Lines")
    assert pdf.startswith("not a PDF that can be read: ")
