"""The error that every service raises, before it takes the shape of its protocol."""

from __future__ import annotations


class ServiceError(Exception):
    """An AWS error: `code` names the error shape, `status` is HTTP's, `members` are its further fields."""

    def __init__(self, code: str, message: str, status: int = 400, **members: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def validation_error(message: str) -> ServiceError:
    """The `ValidationException` of the JSON 1.1 services (HTTP 400)."""
    return ServiceError("ValidationException", message)
