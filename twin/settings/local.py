"""What only the local cloud needs to know."""

from __future__ import annotations

from twin.settings.base import Section, setting


class LocalSettings(Section):
    """The model behind the local endpoint."""

    model: str = setting(
        "Backend: extractive, openai:<url> or transformers:<path>.",
        unit="backend",
        default="extractive",
        pattern=r"^(extractive|openai:https?://\S+|transformers:\S+)$",
        examples=["extractive", "openai:http://127.0.0.1:11434/v1"],
    )
    time_to_first_token_ms: float = setting(
        "Wait of the extractive backend before its first token.", unit="milliseconds", default=20, ge=0
    )
    inter_token_latency_ms: float = setting(
        "Wait of the extractive backend between tokens.", unit="milliseconds", default=5, ge=0
    )
    asynchronous_wake_seconds: float = setting(
        "Wait of an asynchronous endpoint without instances before its first one is there.",
        unit="seconds",
        default=1,
        ge=0,
    )
