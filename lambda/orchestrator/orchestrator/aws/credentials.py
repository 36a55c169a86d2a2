"""Credentials from the environment, where Lambda puts those of the function's role."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoCredentialsError(Exception):
    """The environment holds no AWS credentials."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable} is not set; requests to AWS cannot be signed")


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Credentials:
        """Raises `NoCredentialsError` naming the variable that is missing."""
        try:
            return cls(
                access_key_id=variables["AWS_ACCESS_KEY_ID"],
                secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
                session_token=variables.get("AWS_SESSION_TOKEN") or None,
            )
        except KeyError as missing:
            raise NoCredentialsError(missing.args[0]) from None
