"""The HTTP interface. `create_app` takes what the service reaches outside itself, so tests pass fakes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import FastAPI
from prompting.errors import ApiError
from prompting.parsing import parse_request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from orchestrator.bodies import read_body
from orchestrator.chat import Adapters, Chat
from orchestrator.disconnect import ClientDisconnectedError, until_disconnect
from orchestrator.errors import MethodNotAllowedError, UnknownUrlError
from orchestrator.middleware import REQUEST_ID, RequestRecords
from orchestrator.pacing import Pace
from orchestrator.responses import CLIENT_CLOSED_REQUEST, ChunkStream, error_response, json_response
from orchestrator.telemetry import CLIENT_DISCONNECTED, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompting.request import ChatRequest
    from starlette.types import Lifespan

    from orchestrator.environment import Environment

_METHOD_NOT_ALLOWED = 405


def create_app(
    environment: Environment,
    adapters: Adapters,
    *,
    pace: Pace | None = None,
    ready: Callable[[], bool] = lambda: True,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """`ready` says, without a call to AWS, whether requests can be answered."""
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_middleware(RequestRecords, telemetry=adapters.telemetry, tracing=adapters.tracing)
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
    _add_routes(app, environment, adapters, pace or Pace(total=environment.model_timeout_seconds), ready)
    return app


def _add_routes(
    app: FastAPI, environment: Environment, adapters: Adapters, pace: Pace, ready: Callable[[], bool]
) -> None:
    chat = Chat(environment, adapters, pace)
    started = int(time.time())

    @app.post("/v1/chat/completions")
    async def create_chat_completion(request: Request) -> Response:
        record: Record = request.state.record
        try:
            parsed = parse_request(await read_body(request.stream()))
            return await until_disconnect(request.receive, _answer(chat, parsed, record))
        except (ClientDisconnect, ClientDisconnectedError):
            record.outcome = CLIENT_DISCONNECTED
            return Response(status_code=CLIENT_CLOSED_REQUEST)

    @app.get("/v1/models")
    async def list_models() -> Response:
        model = {"id": environment.model_id, "object": "model", "created": started, "owned_by": "llm-twin"}
        return json_response({"object": "list", "data": [model]})

    @app.get("/health")
    async def health() -> Response:
        if ready():
            return json_response({"status": "ok"})
        return json_response({"status": "unavailable"}, status=503)


async def _answer(chat: Chat, request: ChatRequest, record: Record) -> Response:
    if request.stream:
        return ChunkStream(await chat.stream(request, record), record)
    return json_response(await chat.complete(request, record))


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
