"""Choosing a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.local.services.models import ModelOptions, ModelOptionsError, create_backend


def test_parse() -> None:
    assert ModelOptions.parse("extractive") == ModelOptions()
    assert ModelOptions.parse("openai:http://127.0.0.1:11434/v1/#llama3") == ModelOptions(
        backend="openai", target="http://127.0.0.1:11434/v1", served_model="llama3"
    )
    assert ModelOptions.parse("transformers:models/tiny", time_to_first_token_ms=1.0) == ModelOptions(
        backend="transformers", target="models/tiny", time_to_first_token_ms=1.0
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "gpt",
            (
                "model backend is 'gpt': expected extractive, openai:<url of an OpenAI-compatible server>, "
                "or transformers:<folder of a model>"
            ),
        ),
        ("extractive:x", "extractive takes nothing after a colon, found 'x'"),
        (
            "openai:",
            (
                "openai: needs the http(s) URL of a server, found ''; for example "
                "openai:http://127.0.0.1:11434/v1"
            ),
        ),
        (
            "openai:127.0.0.1:80",
            (
                "openai: needs the http(s) URL of a server, found '127.0.0.1:80'; for example "
                "openai:http://127.0.0.1:11434/v1"
            ),
        ),
        ("transformers:", "transformers: needs a model's folder, as in transformers:models/tiny"),
    ],
)
def test_what_can_not_be_used_is_explained(text: str, message: str) -> None:
    with pytest.raises(ModelOptionsError) as caught:
        ModelOptions.parse(text)
    assert str(caught.value) == message


def test_latencies_are_not_negative() -> None:
    with pytest.raises(
        ModelOptionsError, match="inter_token_latency_ms is -1: expected 0 or more milliseconds"
    ):
        ModelOptions(inter_token_latency_ms=-1)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelOptionsError, match=r"no model there \(no config.json in the folder\)"):
        create_backend(ModelOptions.parse(f"transformers:{tmp_path}"))
