"""What is wrong with a request, in OpenAI's error shape.

`retryable` becomes the `x-should-retry` header, which OpenAI's SDKs obey: without it they would repeat
a request after any 5xx, and a slow generation would be paid for twice.
"""

from __future__ import annotations

from typing import ClassVar, Literal

ErrorType = Literal["invalid_request_error", "rate_limit_error", "server_error"]


class ApiError(Exception):
    """Base of the failures that have an HTTP status; subclasses fix status, type and code."""

    status: ClassVar[int] = 500
    type: ClassVar[ErrorType] = "server_error"
    code: str | None = "internal_error"
    message: str = "The server had an error while processing the request."
    param: str | None = None
    retryable: ClassVar[bool] = False
    retry_after: int | None = None
    """Seconds a client should wait before it tries again; OpenAI's SDKs honour up to 60."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.message = message or self.message
        self.param = param or self.param
        self.code = code or self.code
        self.retry_after = retry_after or self.retry_after
        super().__init__(self.message)

    def body(self) -> dict[str, dict[str, str | None]]:
        """The response's JSON: `{"error": {"message", "type", "param", "code"}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        headers = {"x-should-retry": "true" if self.retryable else "false"}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        return headers


class InvalidRequestError(ApiError):
    """The request is malformed, or asks for what this service does not do."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"
    message = "The request is invalid."


class ContextLengthError(InvalidRequestError):
    code = "context_length_exceeded"
    param = "messages"
    message = "The messages are longer than the model's context. Please shorten them."


class ModelNotFoundError(InvalidRequestError):
    status = 404
    code = "model_not_found"
    param = "model"
