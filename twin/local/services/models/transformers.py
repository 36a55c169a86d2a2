"""A real model on this machine, through the optional package `transformers`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from twin.local.services.models.chat import ChatMessage
from twin.local.services.models.options import ModelOptionsError


class TransformersModel:
    """Chat model that generates greedily, on the CPU unless PyTorch finds a GPU."""

    def __init__(self, name: str, tokenizer: Any, model: Any) -> None:
        self.name = name
        self._tokenizer = tokenizer
        self._model = model

    @classmethod
    def load(cls, folder: str) -> TransformersModel:
        """Load the model in `folder`; nothing is ever fetched from a hub."""
        path = Path(folder)
        if not (path / "config.json").is_file():
            raise ModelOptionsError(f"transformers:{folder}: no model there (no config.json in the folder)")
        try:
            package = import_module("transformers")
            torch = import_module("torch")
        except ModuleNotFoundError as error:
            raise ModelOptionsError(
                f"transformers:{folder}: the package {error.name} is not installed; "
                "install transformers and torch into the virtual environment"
            ) from None
        tokenizer = package.AutoTokenizer.from_pretrained(path, local_files_only=True)
        if tokenizer.chat_template is None:
            raise ModelOptionsError(f"transformers:{folder}: the model's tokenizer has no chat template")
        model = package.AutoModelForCausalLM.from_pretrained(path, local_files_only=True)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(path.name, tokenizer, model.to(device).eval())

    def _prompt(self, messages: Sequence[ChatMessage]) -> str:
        turns = [{"role": message.role, "content": message.text} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def count(self, messages: Sequence[ChatMessage]) -> int:
        return len(self._tokenizer(self._prompt(messages))["input_ids"])

    def ready_after(self, number: int) -> float:
        return 0.0

    async def generate(self, messages: Sequence[ChatMessage], limit: int) -> AsyncIterator[str]:
        """Each token's text; a token that ends inside a character gives its text with the next one."""
        inputs = self._tokenizer(self._prompt(messages), return_tensors="pt").to(self._model.device)
        streamer = _TokenQueue(asyncio.get_running_loop())
        arguments = {**inputs, "streamer": streamer, "max_new_tokens": limit, "do_sample": False}
        worker = asyncio.ensure_future(asyncio.to_thread(self._model.generate, **arguments))
        worker.add_done_callback(lambda _: streamer.end())
        ids: list[int] = []
        sent = ""
        while (token := await streamer.next()) is not None:
            ids.append(token)
            text = str(self._tokenizer.decode(ids, skip_special_tokens=True))
            complete = "" if text.endswith("\ufffd") else text.removeprefix(sent)
            sent += complete
            yield complete
        await worker


class _TokenQueue:
    """Takes tokens from the thread that generates them: what `generate` calls a streamer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tokens: asyncio.Queue[int | None] = asyncio.Queue()
        self._prompt_seen = False

    def put(self, value: Any) -> None:
        """First the prompt's tokens, then one new token at a time."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        for token in value.reshape(-1).tolist():
            self._loop.call_soon_threadsafe(self._tokens.put_nowait, token)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._tokens.put_nowait, None)

    async def next(self) -> int | None:
        """The next token, or None after the last."""
        return await self._tokens.get()
