"""What is looked up for each question."""

from __future__ import annotations

from typing import Literal

from twin.settings.base import Section, setting


class RetrievalSettings(Section):
    """How the corpus is searched, and what happens when it cannot be."""

    top_k: int = setting("Passages fetched for a question.", unit="passages", ge=1, le=100)
    context_tokens: int = setting("Most tokens that sources take in the prompt.", unit="tokens", ge=128)
    min_score: float = setting(
        "Passages with a smaller cosine similarity are left out.", unit="cosine similarity", ge=-1, le=1
    )
    fallback: Literal["fail", "ungrounded"] = setting(
        "When the corpus cannot be searched: fail with 503, or answer without sources and say so.",
        unit="policy",
        default="fail",
    )
