"""Failures that a client can see, beside those of the request itself."""

from __future__ import annotations

from prompting.errors import ApiError, InvalidRequestError


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
