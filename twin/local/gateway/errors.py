"""Errors that API Gateway itself answers, through the API's gateway responses."""

from __future__ import annotations

from typing import Any

from twin.local.emulator import Emulator

INTERNAL = ("DEFAULT_5XX", "Internal server error", 502)
"""A function failed, or answered what no proxy integration may answer."""

CONFIGURATION = ("API_CONFIGURATION_ERROR", "Internal server error", None)
"""The function does not exist, or does not let API Gateway invoke it."""

TIMEOUT = ("INTEGRATION_TIMEOUT", "Endpoint request timed out", None)
TOO_LARGE = ("REQUEST_TOO_LARGE", "Request Entity Too Large", None)


class GatewayError(Exception):
    """An error answer: gateway response type, message, and a status where the type has none of its own."""

    def __init__(self, response_type: str, message: str, status: int | None, *, detail: str = "") -> None:
        super().__init__(detail or message)
        self.response_type = response_type
        self.message = message
        self.status = status

    def answer(self, emulator: Emulator) -> Any:
        """MiniStack's form of the error, which it renders with the stage's gateway responses."""
        error = emulator.api._gw_error(self.response_type, self.message)
        error.status = self.status
        return error
