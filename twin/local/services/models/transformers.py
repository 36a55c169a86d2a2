"""A real model on this machine, through the optional package `transformers`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from twin.local.services.models.chat import ChatMessage
from twin.local.services.models.options import ModelOptionsError


class TransformersModel:
    """Chat model that generates greedily, on the CPU unless PyTorch finds a GPU."""

    def __init__(self, name: str, tokenizer: Any, model: Any, streamer_class: Any) -> None:
        self.name = name
        self._tokenizer = tokenizer
        self._model = model
        self._streamer_class = streamer_class

    @classmethod
    def load(cls, folder: str) -> TransformersModel:
        """Load the model in `folder`; nothing is ever fetched from a hub."""
        path = Path(folder)
        if not (path / "config.json").is_file():
            raise ModelOptionsError(f"transformers:{folder}: no model there (no config.json in the folder)")
        try:
            package = import_module("transformers")
            import_module("torch")
        except ModuleNotFoundError as error:
            raise ModelOptionsError(
                f"transformers:{folder}: the package {error.name} is not installed; "
                "install transformers and torch into the virtual environment"
            ) from None
        tokenizer = package.AutoTokenizer.from_pretrained(path, local_files_only=True)
        if tokenizer.chat_template is None:
            raise ModelOptionsError(f"transformers:{folder}: the model's tokenizer has no chat template")
        model = package.AutoModelForCausalLM.from_pretrained(path, local_files_only=True, device_map=None)
        return cls(path.name, tokenizer, model.eval(), package.TextIteratorStreamer)

    def _prompt(self, messages: Sequence[ChatMessage]) -> str:
        turns = [{"role": message.role, "content": message.text} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def count(self, messages: Sequence[ChatMessage]) -> int:
        return len(self._tokenizer(self._prompt(messages))["input_ids"])

    async def generate(self, messages: Sequence[ChatMessage], limit: int) -> AsyncIterator[str]:
        inputs = self._tokenizer(self._prompt(messages), return_tensors="pt")
        streamer = self._streamer_class(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        arguments = {**inputs, "streamer": streamer, "max_new_tokens": limit, "do_sample": False}
        worker = threading.Thread(target=self._model.generate, kwargs=arguments, daemon=True)
        worker.start()
        while (text := await asyncio.to_thread(next, streamer, None)) is not None:
            if text:
                yield text
