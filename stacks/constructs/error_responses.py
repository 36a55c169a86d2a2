"""API Gateway's own errors in OpenAI's shape, so that SDKs raise the exception a caller expects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from aws_cdk import aws_apigateway as apigateway


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """What a client gets for one kind of gateway error; `status` None keeps the gateway's own.

    `message` may be a `$context` variable, which API Gateway replaces by a quoted text.
    """

    kind: apigateway.ResponseType
    status: int | None
    error_type: str
    code: str | None
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str:
        """The JSON body, as a mapping template."""
        message = self.message if self.message.startswith("$") else json.dumps(self.message)
        rest = json.dumps({"type": self.error_type, "param": None, "code": self.code})
        return f'{{"error": {{"message": {message}, {rest[1:-1]}}}}}'


_REQUEST = "invalid_request_error"
_SERVER = "server_error"
_KEY_MESSAGE = "Incorrect API key provided. Send a valid key as 'Authorization: Bearer <key>'."
_GATEWAY_MESSAGE = "$context.error.messageString"
_ONCE = {"x-should-retry": "false"}
"""The OpenAI SDKs repeat every 429 and 5xx unless this header tells them not to."""

_TYPES = apigateway.ResponseType

RESPONSES = (
    ErrorResponse(_TYPES.UNAUTHORIZED, 401, _REQUEST, "invalid_api_key", _KEY_MESSAGE),
    ErrorResponse(_TYPES.INVALID_API_KEY, 401, _REQUEST, "invalid_api_key", _KEY_MESSAGE),
    ErrorResponse(_TYPES.ACCESS_DENIED, 403, _REQUEST, "permission_denied", "This key may not use this API."),
    ErrorResponse(_TYPES.EXPIRED_TOKEN, 401, _REQUEST, "invalid_api_key", _KEY_MESSAGE),
    ErrorResponse(_TYPES.INVALID_SIGNATURE, 401, _REQUEST, "invalid_api_key", _KEY_MESSAGE),
    # API Gateway answers an unknown path or method with this type, and by default with 403.
    ErrorResponse(
        _TYPES.MISSING_AUTHENTICATION_TOKEN,
        404,
        _REQUEST,
        "unknown_url",
        "Unknown request URL, or no such method on it. This API has /v1/chat/completions, /v1/responses, "
        "/v1/files, /v1/batches, /v1/models and /health.",
    ),
    ErrorResponse(_TYPES.RESOURCE_NOT_FOUND, 404, _REQUEST, "unknown_url", "Unknown request URL."),
    ErrorResponse(
        _TYPES.BAD_REQUEST_BODY, 400, _REQUEST, "invalid_json", "The request's body must be a JSON object."
    ),
    ErrorResponse(_TYPES.BAD_REQUEST_PARAMETERS, 400, _REQUEST, "invalid_parameters", _GATEWAY_MESSAGE),
    ErrorResponse(
        _TYPES.UNSUPPORTED_MEDIA_TYPE,
        415,
        _REQUEST,
        "unsupported_media_type",
        "Send Content-Type: application/json, or multipart/form-data with a file.",
    ),
    # Of API Gateway for more than 10 MB, and of Lambda for what takes more than 6 MB in base64.
    ErrorResponse(
        _TYPES.REQUEST_TOO_LARGE,
        413,
        _REQUEST,
        "request_too_large",
        "The body is too large for one request. A file above 4 MiB is announced to POST /v1/files as JSON, "
        "and then sent to the address in the answer.",
    ),
    ErrorResponse(
        _TYPES.THROTTLED,
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        "Too many requests for this key's tier. Retry after a second.",
        {"Retry-After": "1"},
    ),
    ErrorResponse(
        _TYPES.QUOTA_EXCEEDED,
        429,
        "insufficient_quota",
        "insufficient_quota",
        "This key has used its quota for today.",
        {"Retry-After": "3600", **_ONCE},
    ),
    ErrorResponse(
        _TYPES.WAF_FILTERED, 403, _REQUEST, "request_blocked", "The request was blocked by the firewall."
    ),
    ErrorResponse(
        _TYPES.AUTHORIZER_FAILURE,
        500,
        _SERVER,
        "internal_error",
        "The key could not be checked. Retry later.",
    ),
    ErrorResponse(
        _TYPES.AUTHORIZER_CONFIGURATION_ERROR,
        500,
        _SERVER,
        "internal_error",
        "The key could not be checked. Retry later.",
    ),
    ErrorResponse(
        _TYPES.API_CONFIGURATION_ERROR, 500, _SERVER, "internal_error", "The API is misconfigured."
    ),
    # The function may have begun to generate: a repeated request would pay for a second answer.
    ErrorResponse(
        _TYPES.INTEGRATION_FAILURE,
        502,
        _SERVER,
        "upstream_error",
        "The service failed before it could answer. Retry later.",
        _ONCE,
    ),
    ErrorResponse(
        _TYPES.INTEGRATION_TIMEOUT, 504, _SERVER, "timeout", "The service did not answer in time.", _ONCE
    ),
    ErrorResponse(_TYPES.DEFAULT_4_XX, None, _REQUEST, None, _GATEWAY_MESSAGE),
    ErrorResponse(
        _TYPES.DEFAULT_5_XX, None, _SERVER, "internal_error", "The service failed. Retry later.", _ONCE
    ),
)


def add_error_responses(api: apigateway.RestApi) -> None:
    """Give every gateway error its OpenAI shape."""
    for response in RESPONSES:
        api.add_gateway_response(
            response.kind.response_type,
            type=response.kind,
            status_code=str(response.status) if response.status else None,
            response_headers={name: f"'{value}'" for name, value in response.headers.items()} or None,
            templates={"application/json": response.body},
        )
