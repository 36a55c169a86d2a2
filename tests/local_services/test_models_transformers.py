"""A real model through `transformers`: a random one of a few thousand weights, made on the spot."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from twin.local.services.models import Container, ModelOptions, ModelOptionsError, create_backend

TEMPLATE = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
QUESTION = {"messages": [{"role": "user", "content": "hello big world"}]}


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A GPT-2 of two layers with a vocabulary of words."""
    transformers: Any = pytest.importorskip("transformers")
    torch: Any = pytest.importorskip("torch")
    tokenizers: Any = pytest.importorskip("tokenizers")
    words = ["[UNK]", "[EOS]", "user", "hello", "big", "world", "größer", "schön", "fox", "blue"]
    vocabulary = tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, "[UNK]")
    inner = tokenizers.Tokenizer(vocabulary)
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", eos_token="[EOS]", chat_template=TEMPLATE
    )
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(words), n_positions=64, n_embd=16, n_layer=2, n_head=2, eos_token_id=1, bos_token_id=1
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    return tmp_path


def ask(folder: Path, **extra: Any) -> bytes:
    async def run() -> bytes:
        backend = create_backend(ModelOptions.parse(f"transformers:{folder}"))
        reply = await backend.invoke(json.dumps({**QUESTION, **extra}).encode(), Container({}))
        assert reply.status == 200
        return b"".join([chunk async for chunk in reply.body])

    return asyncio.run(run())


def test_a_real_model_answers(model_folder: Path) -> None:
    answer = json.loads(ask(model_folder, max_tokens=5))
    assert answer["model"] == model_folder.name
    assert answer["usage"]["prompt_tokens"] == 4
    assert 1 <= answer["usage"]["completion_tokens"] <= 5
    assert answer["choices"][0]["finish_reason"] in ("stop", "length")


def test_a_stream_says_the_same(model_folder: Path) -> None:
    whole = json.loads(ask(model_folder, max_tokens=5))["choices"][0]["message"]["content"]
    chunks = ask(model_folder, max_tokens=5, stream=True).decode().split("\n\n")[:-2]
    deltas = [json.loads(chunk.removeprefix("data: "))["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == whole


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelOptionsError) as caught:
        create_backend(ModelOptions.parse(f"transformers:{tmp_path}"))
    assert str(caught.value) == (
        f"transformers:{tmp_path}: the package transformers is not installed; "
        "install transformers and torch into the virtual environment"
    )
