"""What every section of an environment file shares: strict, frozen, and documented fields."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

REQUIRED: Any = ...
CONFLICT = "conflict"


class Section(BaseModel):
    """A frozen mapping of an environment file; unknown keys and implicit conversions are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def setting(description: str, *, unit: str, default: Any = REQUIRED, **constraints: Any) -> Any:
    """Declare a field with a description and a unit; `constraints` are those of `pydantic.Field`."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **constraints)


def refuse(key: str, value: object, accepted: str) -> NoReturn:
    """Raise for an impossible combination; `key` is dotted, relative to the model that validates."""
    raise PydanticCustomError(
        CONFLICT, "{key}: {accepted}", {"key": key, "value": value, "accepted": accepted}
    )
