"""What the endpoint's failures mean to a client.

AWS's texts are read here to tell failures apart, and go no further than the log.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from prompting.errors import ApiError, ContextLengthError, InvalidRequestError

from orchestrator.errors import (
    ModelFailedError,
    ModelTooSlowError,
    ModelUnavailableError,
    NoCapacityError,
    StreamBrokenError,
    ThrottledError,
)

if TYPE_CHECKING:
    from orchestrator.aws.client import AwsConnectionError, AwsError

_TOO_LONG = re.compile(
    r"maximum context length|max_model_len|maximum model length|context_length_exceeded", re.I
)
_NO_CAPACITY = re.compile(r"no capacity", re.I)
_TIMED_OUT = re.compile(r"timed out while waiting for a response", re.I)

_BAD_REQUEST = {400, 422}
_TOO_MANY_REQUESTS = 429
_TIMEOUTS = {408, 504}
_INTERNAL_ERROR = 500
"""SageMaker's own failures from here on leave open whether the model has begun."""


def from_endpoint_error(error: AwsError) -> ApiError:
    """The failure of a call that the endpoint answered with an error status."""
    if error.throttled:
        return ThrottledError()
    if error.kind == "ModelError":
        return _from_model_error(error)
    if error.kind == "ModelNotReadyException" or _NO_CAPACITY.search(error.message):
        return NoCapacityError()
    if error.status >= _INTERNAL_ERROR and error.kind != "ServiceUnavailable":
        return ModelFailedError()
    return ModelUnavailableError()


def from_connection_error(error: AwsConnectionError, lost: type[ApiError]) -> ApiError:
    """The failure of a call whose connection broke: `lost` if the model may have begun its answer."""
    return lost() if error.sent else ModelUnavailableError()


def from_stream_error(payload: bytes) -> ApiError:
    """The failure that an exception event in the response stream reports."""
    try:
        code = json.loads(payload).get("ErrorCode")
    except (ValueError, AttributeError):
        code = None
    if code == "ModelInvocationTimeExceeded":
        return ModelTooSlowError()
    return StreamBrokenError()


def _from_model_error(error: AwsError) -> ApiError:
    status = error.details.get("OriginalStatusCode")
    text = str(error.details.get("OriginalMessage") or error.message)
    if _TOO_LONG.search(text) and status in _BAD_REQUEST:
        return ContextLengthError()
    if status in _BAD_REQUEST:
        return InvalidRequestError(
            "The model refused the request. Check the values of its parameters.", code="model_refused_request"
        )
    if status == _TOO_MANY_REQUESTS:
        return ThrottledError()
    if status in _TIMEOUTS or _TIMED_OUT.search(error.message):
        return ModelTooSlowError()
    return ModelFailedError()
