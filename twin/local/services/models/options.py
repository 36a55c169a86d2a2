"""Which model stands behind the endpoints, and how fast it pretends to be."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urldefrag, urlsplit

_ACCEPTED = "extractive, openai:<url of an OpenAI-compatible server>, or transformers:<folder of a model>"


class ModelOptionsError(ValueError):
    """A model option that can't be used; the text names the option and what would be accepted."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """One model for every endpoint of the local cloud.

    `target` is the server's base URL for `openai` (`http://127.0.0.1:11434/v1`), the folder for
    `transformers`, empty for `extractive`. `served_model` replaces the model named in requests to an
    `openai` server. The two latencies, in milliseconds, are the extractive model's.
    """

    backend: str = "extractive"
    target: str = ""
    served_model: str | None = None
    api_key: str | None = None
    time_to_first_token_ms: float = 20.0
    inter_token_latency_ms: float = 5.0

    def __post_init__(self) -> None:
        for name in ("time_to_first_token_ms", "inter_token_latency_ms"):
            value = getattr(self, name)
            if value < 0:
                raise ModelOptionsError(f"{name} is {value}: expected 0 or more milliseconds")
        if self.backend not in ("extractive", "openai", "transformers"):
            raise ModelOptionsError(f"model backend is {self.backend!r}: expected {_ACCEPTED}")
        if self.backend == "openai":
            _check_url(self.target)
        if self.backend == "transformers" and not self.target:
            raise ModelOptionsError("transformers: needs a model's folder, as in transformers:models/tiny")
        if self.backend == "extractive" and self.target:
            raise ModelOptionsError(f"extractive takes nothing after a colon, found {self.target!r}")

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        time_to_first_token_ms: float = 20.0,
        inter_token_latency_ms: float = 5.0,
        api_key: str | None = None,
    ) -> ModelOptions:
        """Read `extractive`, `openai:<url>[#<model>]` or `transformers:<folder>`."""
        backend, _, target = text.strip().partition(":")
        served_model = None
        if backend == "openai":
            target, served_model = urldefrag(target)
        return cls(
            backend=backend,
            target=target.rstrip("/") if backend == "openai" else target,
            served_model=served_model or None,
            api_key=api_key,
            time_to_first_token_ms=time_to_first_token_ms,
            inter_token_latency_ms=inter_token_latency_ms,
        )


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelOptionsError(
            f"openai: needs the http(s) URL of a server, found {url!r}; for example openai:http://127.0.0.1:11434/v1"
        )
