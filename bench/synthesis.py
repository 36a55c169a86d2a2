"""How long `cdk synth` of an environment takes."""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path

from bench.report import Row

ROOT = Path(__file__).resolve().parents[1]


def measure() -> list[Row]:
    """Synthesize prod once, its bundles already built, and take the user seconds of all its processes."""
    command = [
        str(ROOT / "node_modules/.bin/cdk"),
        "synth",
        "--quiet",
        "--context",
        "env=prod",
        "--no-notices",
    ]
    command += ["--output", "build/assembly/bench"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    templates = (ROOT / "build/assembly/bench").glob("*.template.json")
    resources = sum(len(json.loads(path.read_text())["Resources"]) for path in templates)
    return [
        Row(
            f"cdk synth of prod, user time ({resources} resources)",
            seconds,
            "s",
            limit=18,
            beside=29,
            rival="aws-genai-llm-chatbot, 373 resources",
        )
    ]
