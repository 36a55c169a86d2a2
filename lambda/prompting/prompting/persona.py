"""Who the twin is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1)]


class Persona(BaseModel):
    """Who the twin is: texts from the environment file that the prompt's templates place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    instructions: str = Field(description="How the twin writes, in every answer.")
    citation_instructions: str = Field(description="How to use and cite the numbered sources.")
    ungrounded_instructions: str = Field(description="What to do when no source was found.")
