"""The HTTP interface. `create_app` takes what the service reaches outside itself, so tests pass fakes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import Response

from orchestrator import chat_routes
from orchestrator.batches import routes as batch_routes
from orchestrator.chat import Adapters, Chat
from orchestrator.failures import add_error_handlers
from orchestrator.files import routes as file_routes
from orchestrator.middleware import RequestRecords
from orchestrator.pacing import Pace
from orchestrator.replies import json_response
from orchestrator.responses import routes as response_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Lifespan

    from orchestrator.environment import Environment


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
    add_error_handlers(app)
    chat = Chat(environment, adapters, pace or Pace(total=environment.model_timeout_seconds))
    chat_routes.add_routes(app, chat)
    response_routes.add_routes(app, environment, chat, adapters.jobs)
    file_routes.add_routes(app, environment, adapters.jobs)
    batch_routes.add_routes(app, environment, adapters.jobs)
    _add_routes(app, environment, ready)
    return app


def _add_routes(app: FastAPI, environment: Environment, ready: Callable[[], bool]) -> None:
    started = int(time.time())

    @app.get("/v1/models")
    async def list_models() -> Response:
        model = {"id": environment.model_id, "object": "model", "created": started, "owned_by": "llm-twin"}
        return json_response({"object": "list", "data": [model]})

    @app.get("/health")
    async def health() -> Response:
        if ready():
            return json_response({"status": "ok"})
        return json_response({"status": "unavailable"}, status=503)
