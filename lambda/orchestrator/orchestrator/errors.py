"""Every failure a client can see, in OpenAI's error shape.

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


class UnknownUrlError(InvalidRequestError):
    status = 404
    code = "unknown_url"


class MethodNotAllowedError(InvalidRequestError):
    status = 405
    code = "method_not_allowed"


class BodyTooLargeError(InvalidRequestError):
    status = 413
    code = "request_too_large"


class ThrottledError(ApiError):
    """The endpoint refused the request before any work was done."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    message = "The model is receiving more requests than it can take. Please try again shortly."
    retryable = True
    retry_after = 2


class NoCapacityError(ApiError):
    """The endpoint has no copy of the model running, because it is scaled to zero or still starting."""

    status = 503
    code = "no_capacity"
    message = (
        "No copy of the model is running: it was scaled to zero while idle, or it is still starting. "
        "This request has asked for a copy; starting one usually takes 4 to 10 minutes. "
        "Please try again until then."
    )
    retryable = True
    retry_after = 60


class ModelUnavailableError(ApiError):
    """The endpoint could not be reached, or refused before it passed the request to the model."""

    status = 503
    code = "model_unavailable"
    message = "The model's endpoint is not available. Please try again shortly."
    retryable = True
    retry_after = 5


class ModelFailedError(ApiError):
    """The model took the request and answered with an error."""

    status = 502
    code = "model_error"
    message = "The model failed while it worked on this request."


class ModelTooSlowError(ApiError):
    """A stage of the model's answer took longer than its limit."""

    status = 504
    code = "model_timeout"
    message = "The model did not answer in time."


class StreamBrokenError(ModelFailedError):
    """The model's stream ended before the answer was complete."""

    code = "stream_broken"
    message = "The model's answer broke off before it was complete."


class RetrievalUnavailableError(ApiError):
    """The sources could not be searched, and this environment does not answer without them."""

    status = 503
    code = "retrieval_unavailable"
    message = "The sources cannot be searched at the moment. Please try again shortly."
    retryable = True
    retry_after = 5
