"""The encoder all-MiniLM-L6-v2 in process, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MAX_TOKENS = 256
"""Tokens of a text that the encoder sees, its two special tokens among them; the rest is cut off."""

DIMENSION = 384
"""Length of an embedding."""

SPECIAL_TOKENS = 2
"""`[CLS]` before a text and `[SEP]` after it."""

MAX_CHARACTERS = 16_384
"""Characters of a text that are looked at for its embedding: 64 for each token."""

BATCH_TOKENS = 512
"""Tokens of a batch, padding among them. Larger batches are not faster on a CPU, and take more memory."""

MODEL_FOLDER = Path(__file__).parent / "model"


class EncoderNotBuiltError(Exception):
    """The folder lacks the files that `build_encoder.py` writes."""


class Encoder:
    """Turns texts into unit vectors, whose dot product is their cosine similarity. Threads may share it."""

    def __init__(self, tokenizer: Tokenizer, session: InferenceSession) -> None:
        self._tokenizer = tokenizer
        self._session = session

    @classmethod
    def load(cls, folder: Path = MODEL_FOLDER, *, threads: int = 1) -> Encoder:
        """Load the graph and the tokenizer, in about 0.1 s after the imports.

        `threads` is the number of threads that one batch is spread over. One suits single questions, which
        are too small to share, and functions with less than two vCPUs. Idle threads do not spin, because a
        function pays with its CPU quota for that. Raises `EncoderNotBuiltError`.
        """
        graph, vocabulary = folder / "encoder.onnx", folder / "tokenizer.json"
        for path in (graph, vocabulary):
            if not path.is_file():
                raise EncoderNotBuiltError(f"{path} is missing: build the encoder with build_encoder.py")
        # Importing these takes most of the layer's import time, so importing `retrieval` does not.
        import onnxruntime
        import tokenizers

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        return cls(tokenizers.Tokenizer.from_file(str(vocabulary)), session)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings, shape (n, 384) in the order of `texts`, each of length 1."""
        import numpy as np

        tokens = [self._truncated(text) for text in texts]
        embeddings = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for batch in batches([len(each) for each in tokens]):
            longest = max(len(tokens[index]) for index in batch)
            ids = np.zeros((len(batch), longest), dtype=np.int32)
            mask = np.zeros_like(ids)
            for row, index in enumerate(batch):
                ids[row, : len(tokens[index])] = tokens[index]
                mask[row, : len(tokens[index])] = 1
            outputs = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
            embeddings[batch] = np.asarray(outputs[0])
        return embeddings

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the whole text with the two special ones; 2 for an empty text."""
        return len(self._tokenizer.encode(text).ids)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each token of the text starts and ends, in characters, without the special ones."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def _truncated(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text[:MAX_CHARACTERS]).ids
        return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]]


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group the indices of texts, shortest first, so that each padded batch has at most `BATCH_TOKENS`."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
