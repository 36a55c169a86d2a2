"""The error shapes of S3 Vectors."""

from __future__ import annotations

from collections.abc import Sequence

from twin.local.services.errors import ServiceError
from twin.local.services.shapes import Violation


def invalid(path: str, message: str) -> ServiceError:
    """`ValidationException` (400) about one field."""
    return ServiceError("ValidationException", message, fieldList=[{"path": path, "message": message}])


def invalid_fields(violations: Sequence[Violation]) -> ServiceError:
    """`ValidationException` (400) for constraints of the service model."""
    fields = [{"path": violation.path, "message": violation.constraint} for violation in violations]
    noun = "error" if len(fields) == 1 else "errors"
    listed = "; ".join(f"{item['path']}: {item['message']}" for item in fields)
    return ServiceError("ValidationException", f"{len(fields)} validation {noun}: {listed}", fieldList=fields)


def not_found(noun: str, name: str) -> ServiceError:
    """`NotFoundException` (404)."""
    return ServiceError("NotFoundException", f"The specified {noun} could not be found: {name}", 404)


def conflict(message: str) -> ServiceError:
    """`ConflictException` (409)."""
    return ServiceError("ConflictException", message, 409)
