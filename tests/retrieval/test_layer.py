"""The layer's folder as it is deployed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LAMBDA_LIMIT_MIB = 220

PROGRAM = """
import json
import retrieval
vector = retrieval.Encoder.load().encode(["hello"])[0]
print(json.dumps({"length": float(vector @ vector), "from": retrieval.__file__}))
"""


def _run(layer: Path) -> dict[str, object]:
    """Run the program where only the layer and the standard library can be imported."""
    environment = {"PYTHONPATH": str(layer / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_the_layer_encodes_with_nothing_else_installed(layer: Path) -> None:
    result = _run(layer)
    assert str(result["from"]).startswith(str(layer))
    assert abs(float(str(result["length"])) - 1) < 1e-5


def test_importing_the_package_loads_neither_numpy_nor_the_runtime(layer: Path) -> None:
    check = "import sys, retrieval; print({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules))"
    command = [sys.executable, "-S", "-c", check]
    environment = {"PYTHONPATH": str(layer / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_layer_leaves_room_for_a_function(layer: Path) -> None:
    size = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file())
    assert size / 1024**2 < LAMBDA_LIMIT_MIB
