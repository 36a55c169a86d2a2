"""Who the twin is: the words of the system prompt."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from twin.settings.base import Section, refuse, setting

MAX_PERSONA_BYTES = 2304
"""A function's environment holds 4 KiB in all; the rest is for the other variables."""


class Persona(Section):
    """The parts of the system prompt."""

    name: str = setting("Name that the twin answers under.", unit="text", min_length=1, max_length=80)
    instructions: str = setting("How the twin writes; opens every system prompt.", unit="text", min_length=1)
    citation_instructions: str = setting(
        "How sources are to be cited; follows when there are any.", unit="text", min_length=1
    )
    ungrounded_instructions: str = setting(
        "What to say of an answer without sources; follows when there are none.", unit="text", min_length=1
    )

    def as_json(self) -> str:
        """The value of the orchestrator's PERSONA variable."""
        return self.model_dump_json()

    @model_validator(mode="after")
    def _fits_the_environment(self) -> Self:
        size = len(self.as_json().encode())
        if size > MAX_PERSONA_BYTES:
            refuse("", f"{size} bytes as JSON", f"at most {MAX_PERSONA_BYTES} bytes as JSON")
        return self
