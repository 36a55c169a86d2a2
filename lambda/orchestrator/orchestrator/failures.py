"""Errors as responses, for whatever route they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompting.errors import ApiError
from starlette.exceptions import HTTPException

from orchestrator.errors import MethodNotAllowedError, UnknownUrlError
from orchestrator.middleware import REQUEST_ID
from orchestrator.replies import error_response

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from orchestrator.telemetry import Record

_METHOD_NOT_ALLOWED = 405


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - it is registered for this class
    request.state.record.fail(error)
    return error_response(error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """The router's refusals: no such path, or no such method on it."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this class
    place = f"{request.method} {request.url.path}"
    failure: ApiError = UnknownUrlError(f"Unknown request URL: {place}.")
    if error.status_code == _METHOD_NOT_ALLOWED:
        failure = MethodNotAllowedError(f"Not allowed: {place}.")
    response = await _on_api_error(request, failure)
    response.headers.update(error.headers or {})
    return response


async def _on_bug(request: Request, error: Exception) -> Response:
    """The application's outermost layer sends this and raises the error again; uvicorn logs its stack."""
    record: Record = request.state.record
    response = error_response(
        ApiError(f"The server had an error while processing the request {record.request_id}.")
    )
    response.headers[REQUEST_ID] = record.request_id
    return response
